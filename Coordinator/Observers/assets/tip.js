// A uPlot plugin that describes the values under the pointer or the keyboard cursor.

const reach = 8;

export function tip({ describe, events }) {
  let box, over = false;
  const hide = () => { box.hidden = true; };
  return {
    hooks: {
      init: u => {
        box = document.createElement('div');
        box.className = 'tip';
        box.hidden = true;
        u.root.append(box);
        u.root.parentElement.addEventListener('blur', () => { over = false; hide(); });
        u.over.addEventListener('mouseenter', () => { over = true; });
        u.over.addEventListener('mouseleave', () => { over = false; hide(); });
      },
      setCursor: u => {
        const { idx, left } = u.cursor;
        // The other chart shows the cursor only.
        if (idx == null || left < 0 || !(over || document.activeElement === u.root.parentElement)) return hide();
        const step = u.data[0][idx];
        const x = u.valToPos(step, 'x');
        const near = events().filter(([at]) => Math.abs(u.valToPos(at, 'x') - left) <= reach).map(([, event]) => event);
        box.replaceChildren(...describe(step, near));
        box.hidden = false;
        place(box, u, x);
      },
    },
  };
}

function place(box, u, x) {
  const [offset, plot] = [u.over.offsetLeft, u.over.offsetWidth];
  const gap = 14;
  const right = offset + x + gap;
  const fits = right + box.offsetWidth <= offset + plot;
  const left = fits ? right : Math.max(0, offset + x - gap - box.offsetWidth);
  box.style.transform = `translate(${Math.round(left)}px, ${u.over.offsetTop + 8}px)`;
}
