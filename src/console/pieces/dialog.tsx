import './dialog.css';
import { useEffect, useId, useRef, type ReactNode } from 'react';

/**
 * A modal `<dialog>`. The focus is first on what does nothing; Escape closes it, and the focus goes
 * back to where it came from.
 */
export function Dialog({
  title,
  onClose,
  actions,
  children,
}: {
  title: string;
  onClose: () => void;
  /** Buttons of its foot; one that closes it stands before them. */
  actions: ReactNode;
  children: ReactNode;
}): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const cancel = useRef<HTMLButtonElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    const shown = dialog.current;
    shown?.showModal();
    cancel.current?.focus();
    return () => {
      shown?.close();
      if (before instanceof HTMLElement) {
        before.focus();
      }
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      className="dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <h2 id={id}>{title}</h2>
      <div className="dialog-body">{children}</div>
      <div className="dialog-actions">
        <button type="button" ref={cancel} onClick={onClose}>
          Cancel
        </button>
        {actions}
      </div>
    </dialog>
  );
}
