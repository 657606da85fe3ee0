// The curves. Both charts show the same steps, and share zoom and pointer.
import * as format from './format.js';
import { at, marks } from './marks.js';
import { align, before, smooth } from './series.js';
import { tip } from './tip.js';

const maxTold = 6;

export class Charts {
  #model;
  #zoom = null;
  #colours;
  #settings;
  #charts = [];
  #onZoom;
  #elements;
  #say;

  constructor({ loss, metric, settings, onZoom, say }) {
    this.#elements = { loss, metric };
    this.#settings = settings;
    this.#onZoom = onZoom;
    this.#say = say;
    const resized = new ResizeObserver(() => this.#charts.forEach(({ plot, element }) => plot.setSize(size(element))));
    for (const element of [loss, metric]) {
      resized.observe(element);
      element.addEventListener('keydown', key => this.#press(element, key));
    }
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#rebuild());
  }

  set settings(settings) {
    this.#settings = settings;
    this.#rebuild();
  }

  update(model) {
    this.#model = model;
    if (this.#charts.length === 0) {
      if (model.train.steps.length + model.test.steps.length > 0) this.#rebuild();
      return;
    }
    for (const chart of this.#charts) {
      chart.plot.setData(chart.data(), false);
      this.#scale(chart.plot);
    }
    this.#describe();
  }

  zoom(range) {
    const [first, last] = this.#whole();
    if (range) {
      const [low, high] = [Math.max(first, range[0]), Math.min(last, range[1])];
      range = high - low < 1 || (low === first && high === last) ? null : [low, high];
    }
    this.#zoom = range;
    this.#charts.forEach(chart => this.#scale(chart.plot));
    this.#onZoom(range !== null);
  }

  /** Points at an event, or at nothing. */
  point(event) {
    for (const { plot } of this.#charts) {
      const left = event ? plot.valToPos(at(event, this.#whole()[0]), 'x') : -10;
      plot.setCursor({ left, top: event ? plot.over.clientHeight / 2 : -10 }, false);
    }
  }

  #whole() {
    const { train, test } = this.#model;
    const first = Math.min(train.stride, train.steps[0] ?? Infinity, test.steps[0] ?? Infinity);
    const last = Math.max(train.lastStep, test.lastStep);
    return [first, Math.max(last, first + 1)];
  }

  #scale(plot) {
    const [min, max] = this.#zoom ?? this.#whole();
    plot.setScale('x', { min, max });
  }

  #rebuild() {
    this.#charts.forEach(({ plot }) => plot.destroy());
    this.#charts = [];
    if (!this.#model) return;
    this.#colours = colours();
    this.#charts = [this.#loss(), this.#metric()];
    this.#charts.forEach(chart => this.#scale(chart.plot));
    this.#describe();
  }

  #loss() {
    const { smoothed, log } = this.#settings;
    const c = this.#colours;
    const clean = values => (log ? values.map(value => (value > 0 ? value : null)) : values);
    const data = () => {
      const { train, test } = this.#model;
      const { steps, spread } = align([train, test]);
      const raw = clean(train.mean);
      // On a logarithmic axis the mean is that of the logarithms.
      const middle = log
        ? smooth(raw.map(value => (value === null ? null : Math.log(value)))).map(value => (value === null ? null : Math.exp(value)))
        : smooth(raw);
      return [
        steps,
        ...[clean(train.min), clean(train.max), raw, middle].map(values => spread(train.steps, values)),
        spread(test.steps, clean(test.mean)),
      ];
    };
    const edge = { stroke: 'transparent', width: 0, points: { show: false } };
    const series = [
      {},
      edge,
      edge,
      { stroke: smoothed ? fade(c.accent, 0.38) : c.accent, width: smoothed ? 1 : 1.6, points: { show: false } },
      { show: smoothed, stroke: c.accent, width: 2.25, points: { show: false } },
      { stroke: c.ink, width: 1.6, points: { show: isSparse, size: 5, width: 1.5, stroke: c.ink, fill: c.card } },
    ];
    return this.#chart(this.#elements.loss, data, {
      series,
      bands: [{ series: [2, 1], fill: fade(c.accent, 0.13) }],
      y: log
        ? { distr: 3, range: (u, low, high) => (low > 0 ? [low / ratio(low, high), high * ratio(low, high)] : [0.1, 1]) }
        : { range: (u, low, high) => padded(low, high, 0, Infinity) },
      values: (u, values) => values.map(value => (value === null ? '' : log ? tick(value) : String(+value.toFixed(4)))),
      last: () =>
        this.#model.train.last === null
          ? null
          : [this.#model.train.lastStep, this.#settings.smoothed ? tail(this.#charts[0]?.plot.data[4]) : this.#model.train.last],
      withGlyphs: true,
      top: 22,
    });
  }

  #metric() {
    const c = this.#colours;
    const data = () => {
      // Includes the steps of the loss, so that every event has a place.
      const { metric, train } = this.#model;
      const { steps, spread } = align([metric, train]);
      return [steps, spread(metric.steps, metric.mean)];
    };
    return this.#chart(this.#elements.metric, data, {
      series: [{}, { stroke: c.ink, width: 1.6, points: { show: isSparse, size: 5, width: 1.5, stroke: c.ink, fill: c.card } }],
      y: { range: (u, low, high) => padded(low, high, this.#model.run.is_share ? 0 : -Infinity, 1) },
      values: (u, values) => values.map(value => (this.#model.run.is_share ? `${+(100 * value).toFixed(2)} %` : String(+value.toFixed(4)))),
      last: () => null,
      withGlyphs: false,
      top: 8,
    });
  }

  #chart(element, data, { series, bands = [], y, values, last, withGlyphs, top }) {
    const c = this.#colours;
    const axis = { stroke: c.quiet, font: `12px ${getComputedStyle(document.body).fontFamily}`, ticks: { show: false } };
    const grid = { stroke: c.hair, width: 1 };
    // uPlot has too few ticks within a decade of a logarithmic axis, and too many over several.
    const ticks = y.distr === 3 ? { splits: (u, axis, low, high) => logarithmicTicks(low, high), filter: (u, values) => values } : {};
    const options = {
      ...size(element),
      padding: [top, 14, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        sync: { key: 'run' },
        drag: { x: true, y: false, setScale: false },
        points: { size: 7, width: 2, fill: c.card },
        bind: {
          dblclick: () => () => {
            this.zoom(null);
            return null;
          },
        },
      },
      scales: { x: { time: false }, y },
      axes: [
        {
          ...axis,
          grid: { show: false },
          space: 56,
          size: 30,
          values: (u, steps) => steps.map(step => (Number.isInteger(step) ? format.stepLabel(step) : '')),
        },
        { ...axis, ...ticks, grid, size: 56, space: 36, values },
      ],
      series,
      bands,
      hooks: {
        setSelect: [
          u => {
            if (u.select.width < 4) return;
            const range = [u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x')];
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            this.zoom(range);
          },
        ],
      },
      plugins: [
        marks({
          events: () => this.#model.events,
          first: () => this.#whole()[0],
          last,
          colours: () => c.kinds,
          ground: () => c.card,
          withGlyphs,
        }),
        tip({
          describe: (step, near) => this.#tell(step, near),
          events: () => this.#model.events.map(event => [at(event, this.#whole()[0]), event]),
        }),
      ],
    };
    return { element, data, plot: new uPlot(options, data(), element) };
  }

  #tell(step, near) {
    const { run, train, test, metric, status } = this.#model;
    const perEpoch = status?.steps_per_epoch;
    const rows = [
      row(`Step ${format.count(step)}`, perEpoch ? `epoch ${format.count(Math.max(1, Math.ceil(step / perEpoch)))}` : '', true),
    ];
    const i = before(train.steps, step);
    if (i >= 0) {
      rows.push(row(train.stride > 1 ? `train, mean of ${format.count(train.stride)}` : 'train', format.loss(train.mean[i])));
      if (train.stride > 1 && train.min[i] !== null)
        rows.push(row('from – to', `${format.loss(train.min[i])} – ${format.loss(train.max[i])}`));
    }
    const j = before(test.steps, step);
    if (j >= 0)
      rows.push(
        row('test', format.loss(test.mean[j])),
        row(run.metric, metric.mean[j] === null ? '–' : format.metric(metric.mean[j], run).join(' ').trim())
      );
    for (const event of near.slice(-maxTold)) {
      const line = document.createElement('div');
      line.className = 'event';
      const glyph = document.createElement('span');
      glyph.className = 'glyph';
      glyph.dataset.kind = event.kind;
      line.append(glyph, event.text);
      rows.push(line);
    }
    if (near.length > maxTold) rows.push(row(`and ${near.length - maxTold} more`, ''));
    return rows;
  }

  #press(element, key) {
    const chart = this.#charts.find(one => one.element === element);
    if (!chart || key.ctrlKey || key.metaKey || key.altKey) return;
    const { plot } = chart;
    const steps = plot.data[0];
    const here = plot.cursor.idx ?? steps.length - 1;
    const move = by => {
      const i = Math.min(steps.length - 1, Math.max(0, here + by));
      plot.setCursor({ left: plot.valToPos(steps[i], 'x'), top: plot.over.clientHeight / 2 });
      this.#say(plot.root.querySelector('.tip')?.innerText ?? '');
    };
    const [low, high] = this.#zoom ?? this.#whole();
    const zoom = factor => this.zoom([steps[here] - (steps[here] - low) * factor, steps[here] + (high - steps[here]) * factor]);
    const actions = {
      ArrowLeft: () => move(key.shiftKey ? -20 : -1),
      ArrowRight: () => move(key.shiftKey ? 20 : 1),
      Home: () => move(-steps.length),
      End: () => move(steps.length),
      '+': () => zoom(0.5),
      '-': () => zoom(2),
      Escape: () => this.zoom(null),
    };
    if (!actions[key.key]) return;
    key.preventDefault();
    actions[key.key]();
  }

  #describe() {
    const { run, train, test, metric } = this.#model;
    const keys = 'Arrow keys move along it, plus and minus zoom, Escape shows the whole run.';
    const tested = test.last === null ? '' : ` Test ${format.loss(test.last)}.`;
    this.#elements.loss.setAttribute(
      'aria-label',
      `Loss over ${format.count(train.lastStep)} steps. Train ${format.loss(train.last)}.${tested} ${keys}`
    );
    if (!run) return;
    const last = metric.last === null ? 'None yet.' : `${format.metric(metric.last, run).join(' ').trim()}.`;
    this.#elements.metric.setAttribute('aria-label', `Test ${run.metric} over ${format.count(train.lastStep)} steps. ${last} ${keys}`);
  }
}

const size = element => ({ width: Math.max(element.clientWidth, 120), height: Math.max(element.clientHeight, 100) });

const tail = line => line?.findLast(value => value != null) ?? NaN;

/** Numbers that people know, on a logarithmic axis. */
function logarithmicTicks(low, high) {
  const decades = Math.log10(high / low);
  if (decades < 1) {
    const rough = (high - low) / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find(factor => factor * power >= rough) * power;
    const first = Math.ceil(low / step);
    return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => +((first + i) * step).toPrecision(12));
  }
  const every = Math.ceil(decades / 7);
  const factors = decades <= 2 ? [1, 2, 5] : [1];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    if (power % every === 0) ticks.push(...factors.map(factor => +`${factor}e${power}`));
  return ticks.filter(value => value >= low && value <= high);
}

const tick = value => (value >= 0.001 && value < 1e5 ? String(+value.toPrecision(3)) : value.toExponential(0).replace('-', '−'));

/** Whether there is room for the values of a line one by one. */
const isSparse = (u, i) => u.data[i].filter(value => value != null).length <= u.width / 24;

const ratio = (low, high) => Math.max(1.03, (high / low) ** 0.06);

function padded(low, high, least, most) {
  if (low == null) return [0, 1];
  const pad = (high - low || Math.abs(high) || 1) * 0.07;
  return [low >= least ? Math.max(least, low - pad) : low - pad, high <= most ? Math.min(most, high + pad) : high + pad];
}

function row(name, value, isHead = false) {
  const line = document.createElement('div');
  line.className = 'row';
  const [left, right] = [document.createElement(isHead ? 'b' : 'span'), document.createElement(isHead ? 'span' : 'b')];
  [left.textContent, right.textContent] = [name, value];
  line.append(left, right);
  return line;
}

const fade = (colour, alpha) => {
  const [r, g, b] = [1, 3, 5].map(i => parseInt(colour.length === 4 ? colour[(i + 1) / 2].repeat(2) : colour.slice(i, i + 2), 16));
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
};

function colours() {
  const style = getComputedStyle(document.documentElement);
  const [ink, quiet, hair, card, accent, bad, warn] = ['ink', 'quiet', 'hair', 'card', 'accent', 'bad', 'warn'].map(name =>
    style.getPropertyValue(`--${name}`).trim()
  );
  const kinds = {
    accent,
    note: quiet,
    generation: quiet,
    checkpoint: quiet,
    joined: accent,
    restarted: accent,
    left: accent,
    finished: accent,
    lost: bad,
    failed: bad,
    refused: bad,
    fault: warn,
  };
  return { ink, quiet, hair, card, accent, kinds };
}
