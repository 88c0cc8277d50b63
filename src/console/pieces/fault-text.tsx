import './fault-text.css';
import type { ReactNode } from 'react';
import { shownWords } from '../words.js';
import { FromNow, Unknown } from './value.js';

/** What a hop said last, in its words. */
export interface Fault {
  stage: string;
  code: number | null;
  enhanced_code: string | null;
  description: string;
  at: string;
}

export function FaultText({ fault }: { fault: Fault | null }): ReactNode {
  if (fault === null) {
    return <Unknown why="no fault" />;
  }
  const { stage, code, enhanced_code: enhanced, description, at } = fault;
  return (
    <span className="fault">
      <span className="fault-stage">at {stage}:</span>{' '}
      <ReplyText code={code} enhanced_code={enhanced} description={description} />{' '}
      <span className="fault-at">
        <FromNow at={at} />
      </span>
    </span>
  );
}

/** A reply of SMTP: code, enhanced code and the remote's words. */
export function ReplyText({
  code,
  enhanced_code: enhanced,
  description,
}: Pick<Fault, 'code' | 'enhanced_code'> & { description: string | null }): ReactNode {
  const codes = [code, enhanced].filter((one) => one !== null).join(' ');
  return (
    <>
      {codes !== '' && <code className="fault-code">{codes}</code>}{' '}
      <q>{shownWords(description ?? '')}</q>
    </>
  );
}
