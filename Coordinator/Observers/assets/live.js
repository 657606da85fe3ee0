// Receives the events of the run and updates the page.
import { Charts } from './charts.js';
import * as format from './format.js';
import { apply, empty } from './model.js';
import * as panels from './panels.js';

const silence = 30_000;
const again = 3_000;

const $ = id => document.getElementById(id);
const remembered = JSON.parse(read() ?? '{}');
const settings = { smoothed: remembered.smoothed ?? true, log: remembered.log ?? true, routine: remembered.routine ?? false };

let model = empty();
let source;
let heard = 0;
let isAway = false;
let isDue = false;

const charts = new Charts({
  loss: $('loss'),
  metric: $('metric'),
  settings,
  onZoom: isZoomed => {
    $('zoom-reset').hidden = !isZoomed;
  },
  say: words => panels.text($('said'), words),
});

$('zoom-reset').addEventListener('click', () => charts.zoom(null));
toggle('smooth', 'smoothed', () => {
  charts.settings = settings;
});
toggle('log', 'log', () => {
  charts.settings = settings;
});
toggle('routine', 'routine', show);

connect();
setInterval(() => {
  if (source && Date.now() - heard > silence) connect();
}, silence / 3);

function connect() {
  source?.close();
  source = new EventSource('events');
  heard = Date.now();
  source.addEventListener('message', ({ data }) => {
    hear();
    model = apply(model, JSON.parse(data));
    showSoon();
  });
  source.addEventListener('beat', hear);
  source.addEventListener('end', () => {
    // The server ends the stream and will not answer again.
    source.close();
    source = null;
  });
  source.addEventListener('error', () => {
    isAway = true;
    showSoon();
    // The browser reconnects by itself unless it was rejected.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, again);
  });
}

function hear() {
  heard = Date.now();
  if (isAway) showSoon();
  isAway = false;
}

function showSoon() {
  if (isDue) return;
  isDue = true;
  // A hidden page is not drawn.
  requestAnimationFrame(() => {
    isDue = false;
    show();
  });
}

function show() {
  if (model.run) {
    panels.text($('name'), model.run.name);
    panels.text($('about'), model.run.about);
    panels.figures(model);
    panels.workers(model);
    panels.events(model, settings.routine, event => charts.point(event));
    panels.files(model);
    charts.update(model);
    $('loss-empty').hidden = model.train.steps.length + model.test.steps.length > 0;
    panels.text($('metric-title'), model.run.metric);
    $('metric-empty').hidden = model.metric.steps.length > 0;
    panels.text($('metric-empty'), model.status.is_tested ? 'The test set is evaluated after each epoch.' : 'There is no test set.');
  }
  showState();
}

function showState() {
  const [state, label, notice, isCalm] = stateOf(model);
  document.body.dataset.state = state;
  panels.text($('state-text'), label);
  $('notice').hidden = !notice;
  $('notice').classList.toggle('calm', Boolean(isCalm));
  panels.text($('notice'), notice ?? '');
  const { status, run } = model;
  const done =
    status?.outcome === 'running' && status.steps > 0
      ? `${Math.floor((100 * status.step) / status.steps)} % · `
      : status
        ? `${label} · `
        : '';
  const title = run ? `${done}${run.name}` : 'Training';
  if (document.title !== title) document.title = title;
}

function stateOf({ status, run }) {
  if (isAway)
    return [
      'away',
      'Connection lost',
      status ? 'The coordinator does not answer. The page reconnects by itself.' : 'The coordinator does not answer.',
    ];
  if (!status) return ['connecting', 'Connecting'];
  switch (status.outcome) {
    case 'finished':
      return ['finished', 'Finished', summary(status, run), true];
    case 'failed':
      return ['failed', status.reason?.startsWith('interrupted') ? 'Stopped' : 'Failed', status.reason];
    case 'unfinished':
      return ['unfinished', 'Not finished', 'The run is not finished. It can be resumed.', true];
    default: {
      const phase = status.phase[0].toUpperCase() + status.phase.slice(1);
      const diverged = status.diverged_at
        ? `The loss is not a number since step ${format.count(status.diverged_at)}: the training has diverged.`
        : null;
      return [status.phase.startsWith('waiting') || status.phase === 'starting' ? 'waiting' : 'running', phase, diverged];
    }
  }
}

function summary({ step, metric }, run) {
  const tested = metric == null ? '' : ` Test ${run.metric}: ${format.metric(metric, run).join(' ').trim()}.`;
  return `All ${format.count(step)} steps are done.${tested} The model is below, among the files.`;
}

function toggle(id, name, then) {
  const button = $(id);
  const show = () => button.setAttribute('aria-pressed', String(settings[name]));
  show();
  button.addEventListener('click', () => {
    settings[name] = !settings[name];
    try {
      localStorage.setItem('live', JSON.stringify(settings));
    } catch {
      /* Without storage the setting is lost. */
    }
    show();
    then();
  });
}

function read() {
  try {
    return localStorage.getItem('live');
  } catch {
    return null;
  }
}
