// A uPlot plugin that marks events on the curve, and the last value as a point.

export const routine = kind => kind === 'checkpoint' || kind === 'generation';

/** Where an event is on the axis: it happened after a step was applied, or before the first. */
export const at = (event, first) => Math.max(event.step, first);

export function marks({ events, first, last, colours, ground, withGlyphs }) {
  return {
    hooks: {
      draw: u => {
        const { ctx } = u;
        const dpr = devicePixelRatio;
        const { left, top, width, height } = u.bbox;
        ctx.save();
        // Rare events are drawn over routine ones.
        for (const event of [...events()].sort((a, b) => routine(b.kind) - routine(a.kind))) {
          const x = Math.round(u.valToPos(at(event, first()), 'x', true));
          if (x < left - dpr || x > left + width + dpr) continue;
          const colour = colours()[event.kind] ?? colours().note;
          if (!routine(event.kind)) line(ctx, x, top, height, colour, dpr);
          if (withGlyphs) glyph(ctx, event.kind, x, top - 9 * dpr, colour, ground(), dpr);
        }
        const tip = last();
        if (tip) dot(ctx, u, tip, colours().accent, dpr);
        ctx.restore();
      },
    },
  };
}

function line(ctx, x, top, height, colour, dpr) {
  ctx.globalAlpha = 0.55;
  ctx.strokeStyle = colour;
  ctx.lineWidth = dpr;
  ctx.setLineDash([3 * dpr, 3 * dpr]);
  ctx.beginPath();
  ctx.moveTo(x, top);
  ctx.lineTo(x, top + height);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.globalAlpha = 1;
}

function glyph(ctx, kind, x, y, colour, ground, dpr) {
  const r = 4 * dpr;
  ctx.fillStyle = ctx.strokeStyle = colour;
  ctx.lineWidth = 1.75 * dpr;
  ctx.beginPath();
  switch (kind) {
    case 'generation':
      ctx.rect(x - dpr, y - r, 2 * dpr, 2 * r);
      ctx.fill();
      break;
    case 'checkpoint':
      ctx.moveTo(x, y - 0.8 * r);
      ctx.lineTo(x + 0.8 * r, y);
      ctx.lineTo(x, y + 0.8 * r);
      ctx.lineTo(x - 0.8 * r, y);
      ctx.fill();
      break;
    case 'fault':
      ctx.rect(x - 0.85 * r, y - 0.85 * r, 1.7 * r, 1.7 * r);
      ctx.fill();
      break;
    case 'left': case 'refused': case 'note':
      ctx.arc(x, y, r - 0.9 * dpr, 0, 2 * Math.PI);
      ctx.fillStyle = ground;
      ctx.fill();
      ctx.stroke();
      break;
    default:
      ctx.arc(x, y, r, 0, 2 * Math.PI);
      ctx.fill();
  }
}

function dot(ctx, u, [step, value], colour, dpr) {
  const { min, max } = u.scales.x;
  const y = u.scales.y;
  if (step < min || step > max || value < y.min || value > y.max) return;
  ctx.fillStyle = colour;
  ctx.beginPath();
  ctx.arc(u.valToPos(step, 'x', true), u.valToPos(value, 'y', true), 3.5 * dpr, 0, 2 * Math.PI);
  ctx.fill();
}
