// Formats numbers for display.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const one = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export const count = value => whole.format(value);

export const loss = value =>
  value === null || value === undefined
    ? '–'
    : value !== 0 && Math.abs(value) < 0.001
      ? value.toExponential(2).replace('-', '−')
      : Math.abs(value) >= 1e6
        ? value.toExponential(2)
        : value.toFixed(Math.abs(value) >= 100 ? 2 : 4);

/** A value of what is measured on the test set, with its unit. */
export const metric = (value, { is_share: isShare }) => (isShare ? [(100 * value).toFixed(2), '%'] : [value.toFixed(3), '']);

export const speed = value => (value < 100 ? one : whole).format(value);

export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  const [d, h, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
  const two = n => String(n).padStart(2, '0');
  return d > 0 ? `${count(d)} d ${h} h` : h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

export function bytes(value) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export const time = at => new Date(at).toLocaleTimeString('en-GB');

export const stepLabel = value =>
  value >= 1e6 ? `${+(value / 1e6).toFixed(2)} M` : value >= 10000 ? `${+(value / 1e3).toFixed(1)} k` : count(value);
