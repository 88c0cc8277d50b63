import { useEffect, useRef, type ReactNode } from 'react';

/** The head of something new on the page: the focus goes there once, when it appears. */
export function FocusedHeading({
  id,
  className,
  children,
}: {
  id: string;
  className?: string;
  children: ReactNode;
}): ReactNode {
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    head.current?.focus({ preventScroll: true });
    head.current?.scrollIntoView({ block: 'nearest' });
  }, []);
  return (
    <h2 id={id} ref={head} tabIndex={-1} className={className}>
      {children}
    </h2>
  );
}
