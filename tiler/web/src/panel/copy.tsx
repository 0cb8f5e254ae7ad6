import { type Signal, useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { t } from "../i18n";

/** Copies where the browser allows it (https or this machine); elsewhere the text is left selected. */
async function copy(input: HTMLTextAreaElement): Promise<boolean> {
  input.select();
  if (!isSecureContext) return false;
  await navigator.clipboard.writeText(input.value);
  return true;
}

/** Whether something was copied just now, and how to say so. */
export function useCopied(): readonly [Signal<boolean>, (done: boolean) => void] {
  const copied = useSignal(false);
  const tell = (done: boolean): void => {
    copied.value = done;
    setTimeout(() => {
      copied.value = false;
    }, 2000);
  };
  return [copied, tell];
}

/** A text to take elsewhere, with a button that copies it. */
export function CopyField({ label, text }: { readonly label: string; readonly text: string }) {
  const [copied, tell] = useCopied();
  const id = useId();
  const onClick = async (): Promise<void> => {
    const input = document.getElementById(id) as HTMLTextAreaElement;
    tell(await copy(input));
  };
  return (
    <div class="copy-field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        readOnly
        rows={Math.min(text.split("\n").length, 4)}
        value={text}
        onFocus={(event) => event.currentTarget.select()}
      />
      <button type="button" class="button" onClick={onClick} aria-label={`${t.image.copy}: ${label}`}>
        <span aria-live="polite">{copied.value ? t.image.copied : t.image.copy}</span>
      </button>
    </div>
  );
}
