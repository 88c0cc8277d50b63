import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export const RULES_FILE = 'scripts/deploy/prometheus-alerts.yaml';

export interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; description: string };
}

export function readRules(): Rule[] {
  const { groups } = parse(readFileSync(RULES_FILE, 'utf8')) as {
    groups: Array<{ rules: Rule[] }>;
  };
  return groups.flatMap(({ rules }) => rules);
}
