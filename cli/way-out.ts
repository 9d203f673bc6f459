/** Way out: tells where everything is sent from, where the user chose that, and when it goes and comes back. */
import { type BindingSnapshot, type Engine, printable } from '../engine/index.js';
import type { Output } from './output.js';

const CHECK_MS = 500;
const MAX_TEXT_CELLS = 300;

/** @returns ends it */
export function tellWayOut(engine: Engine, output: Output): () => void {
  let last: BindingSnapshot | undefined;
  const tell = (): void => {
    const { binding } = engine;
    if (binding === null || JSON.stringify(binding) === JSON.stringify(last)) return;
    output.event({ type: 'binding', ...binding });
    if (binding.state !== (last?.state ?? 'bound')) output.note(bindingLine(binding));
    last = binding;
  };
  tell();
  const timer = setInterval(tell, CHECK_MS);
  return () => clearInterval(timer);
}

function bindingLine({ state, target, message }: BindingSnapshot): string {
  return state === 'lost'
    ? `nothing is sent until ${printable(target)} is back: ${printable(message, MAX_TEXT_CELLS)}`
    : `${printable(target)} is back`;
}
