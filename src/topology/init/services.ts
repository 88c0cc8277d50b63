/** What a starting point says about a service outside. */
interface ServiceText {
  hostname: string;
  username: string;
  /** How its login is had. */
  notes: readonly string[];
}

export const OUTSIDE_SERVICES = ['ses', 'sendgrid', 'gmail', 'microsoft-365'] as const;
export type OutsideService = (typeof OUTSIDE_SERVICES)[number];

export const SERVICES: Readonly<Record<OutsideService | 'other', ServiceText>> = {
  other: {
    hostname: 'smtp.provider.example',
    username: 'the-name-they-gave-you',
    notes: ['with the username that they gave you, and the secret in an `env` or a `file`.'],
  },
  ses: {
    hostname: 'email-smtp.eu-central-1.amazonaws.com',
    username: 'AKIAEXAMPLE',
    notes: ['with the SMTP credentials of your region; those of an IAM user are not the same.'],
  },
  sendgrid: {
    hostname: 'smtp.sendgrid.net',
    username: 'apikey',
    notes: ['with `apikey` itself as the username, and the API key as the secret.'],
  },
  gmail: {
    hostname: 'smtp.gmail.com',
    username: 'you@yourdomain.example',
    notes: ['with an app password, or `token: { file: PATH }` (XOAUTH2) instead of `password`.'],
  },
  'microsoft-365': {
    hostname: 'smtp.office365.com',
    username: 'you@yourdomain.example',
    notes: ['with `token: { file: PATH }` (XOAUTH2) instead of `password`.'],
  },
};
