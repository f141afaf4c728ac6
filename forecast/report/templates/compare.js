{# The table of runs and the parallel coordinates, which show the same selection. #}
const $ = name => document.querySelector(name), count = data.names.length;
const make = (tag, text) => { const one = document.createElement(tag); one.textContent = text; return one };
const four = value => value === null ? '–' : String(Number(value.toPrecision(4))).replace('-', '−');
document.querySelectorAll('.alone').forEach(one => one.classList.remove('alone'));
const last = new Set(data.last);

{# The selection: words of the filter, and on each axis a range and a bin. #}
const axes = [...data.columns.map(column => ({
  name: column.short, title: column.key, labels: column.texts, at: column.places,
  place: run => column.places[column.at[run]], aside: run => aside(run, column), bin: run => column.binOf[column.at[run]], bins: column.bins,
})), errorAxis()];
{# Runs with the same value stand a little apart, or a thousand lines would be one. #}
function aside(run, column) {
  if (column.texts.length > 12) return 0;
  const room = Math.min(.05, .3 / column.texts.length) * Math.min(1, count / 200);
  return room * (((run * 2654435761) % 1024) / 512 - 1);
}
function errorAxis() {
  const known = data.errors.map((value, run) => [value, run]).filter(([value]) => value !== null).sort((a, b) => a[0] - b[0]);
  const rank = new Array(count).fill(null);
  known.forEach(([, run], n) => { rank[run] = n / Math.max(1, known.length - 1) });
  const low = known.length ? known[0][0] : 0, high = known.length ? known[Math.ceil(known.length * .95) - 1][0] : 1;
  const shares = [.01, .1, .25, .5].filter(share => share * known.length >= 1);
  return {
    name: data.error, title: data.chosen, low, high, rank,
    place: run => data.errors[run] === null ? null : 1 - Math.min(1, (data.errors[run] - low) / (high - low || 1)),
    bins: shares.map(share => `best ${100 * share} %`),
    inBin: (run, n) => rank[run] !== null && rank[run] <= shares[n],
  };
}
const rank = axes.at(-1).rank;
let order = data.names.map((_, run) => run), selected = order, words = [], all = count <= SHOWN;
const text = data.names.map((name, run) => [name, data.ids[run], ...data.columns.map(column =>
  `${column.key}=${column.texts[column.at[run]]}`)].join(' ').toLowerCase());
const passes = run => words.every(word => text[run].includes(word)) && axes.every(axis => {
  if (axis.chosen !== undefined && !(axis.inBin ? axis.inBin(run, axis.chosen) : axis.bin(run) === axis.chosen)) return false;
  if (!axis.range) return true;
  const place = axis.place(run);
  return place !== null && place >= axis.range[0] && place <= axis.range[1];
});

{# The table shows the rows in sight alone; empty rows take the room of the others. #}
const box = $('#runs'), table = box.querySelector('tbody'), HIGH = table.rows[0]?.offsetHeight || 30;
const heads = [...box.querySelectorAll('thead th')];
const known = values => values.some(value => value !== null);
const columns = [
  [run => run, run => String(run + 1)],
  [run => data.names[run], run => data.names[run]],
  ...(known(data.validation) ? [[run => data.validation[run],
    run => four(data.validation[run]) + (last.has(run) ? '†' : '')]] : []),
  ...(known(data.test) ? [[run => data.test[run], run => four(data.test[run])]] : []),
  ...data.columns.map(column => [run => column.at[run], run => column.texts[column.at[run]]]),
  [run => data.ids[run], run => data.ids[run]],
];
function fill() {
  const shown = all ? selected : selected.slice(0, SHOWN);
  const first = Math.max(0, Math.floor(box.scrollTop / HIGH) - 20);
  const end = Math.min(shown.length, first + Math.ceil(box.clientHeight / HIGH) + 60);
  const room = rows => {
    const row = make('tr', ''), cell = make('td', '');
    cell.colSpan = heads.length; cell.style.height = `${rows * HIGH}px`; row.className = 'room'; row.append(cell);
    row.setAttribute('aria-hidden', 'true');
    return row;
  };
  table.replaceChildren(...(first ? [room(first)] : []), ...shown.slice(first, end).map((run, n) => {
    const row = make('tr', '');
    row.setAttribute('aria-rowindex', first + n + 2);
    row.append(...columns.map(([, cell]) => make('td', cell(run))));
    row.cells[1].title = data.names[run];
    return row;
  }), ...(end < shown.length ? [room(shown.length - end)] : []));
  table.parentElement.setAttribute('aria-rowcount', shown.length + 1);
}
function select() {
  selected = order.filter(passes);
  const n = selected.length, of = n < count ? `${n.toLocaleString('en')} of ${count.toLocaleString('en')} runs` : `${count.toLocaleString('en')} runs`;
  $('#found').textContent = all || n <= SHOWN ? of : `the first ${SHOWN} of ${of}`;
  $('#more').hidden = count <= SHOWN;
  $('#more').textContent = all ? `show ${SHOWN}` : 'show all';
  box.scrollTop = 0; fill(); draw();
}
heads.forEach((head, n) => {
  const button = make('button', head.textContent);
  button.type = 'button';
  button.addEventListener('click', () => {
    const down = head.getAttribute('aria-sort') === 'ascending';
    heads.forEach(other => other.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const [key] = columns[n], way = down ? -1 : 1;
    order = data.names.map((_, run) => run).sort((a, b) => {
      const x = key(a), y = key(b);
      if (x === null || y === null) return (x === null) - (y === null);
      return way * (x < y ? -1 : x > y ? 1 : 0) || a - b;
    });
    select();
  });
  head.replaceChildren(button);
});
box.addEventListener('scroll', () => requestAnimationFrame(fill), {passive: true});
$('#filter').addEventListener('input', event => {
  words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean); select();
});
$('#more').addEventListener('click', () => { all = !all; select() });

{# Parallel coordinates: the best runs are drawn last. #}
const canvas = $('#lines canvas'), TOP = 44, BOTTOM = 300, SIDE = 20;
const across = (n, wide) => SIDE + n * (wide - SIDE - 110) / Math.max(1, axes.length - 1);
const above = place => BOTTOM - place * (BOTTOM - TOP);
function draw() {
  if (!canvas) return;
  const wide = Math.max($('#lines').clientWidth, 130 * axes.length), scale = devicePixelRatio || 1;
  canvas.style.width = `${wide}px`; canvas.style.height = `${BOTTOM + 20}px`;
  canvas.width = wide * scale; canvas.height = (BOTTOM + 20) * scale;
  const pen = canvas.getContext('2d'), look = getComputedStyle(document.documentElement);
  const colour = name => look.getPropertyValue(`--${name}`).trim();
  pen.scale(scale, scale);
  const few = data.names.length < 100, far = colour(few ? 'soft' : 'pale');
  const blend = share => mix(colour('model'), far, share ** .4), chosen = new Set(selected);
  const line = run => {
    pen.beginPath();
    let begun = false;
    axes.forEach((axis, n) => {
      const place = axis.place(run);
      if (place === null) return;
      pen[begun ? 'lineTo' : 'moveTo'](across(n, wide), above(place + (axis.aside?.(run) ?? 0))); begun = true;
    });
    pen.stroke();
  };
  const ranked = data.names.map((_, run) => run).filter(run => rank[run] !== null).sort((a, b) => rank[b] - rank[a]);
  pen.lineWidth = 1; pen.strokeStyle = colour('grid'); pen.globalAlpha = ranked.length > 500 ? .15 : .8;
  ranked.filter(run => !chosen.has(run)).forEach(line);
  const drawn = ranked.filter(run => chosen.has(run));
  pen.lineWidth = drawn.length > 200 ? 1 : 2;
  drawn.forEach((run, n) => {
    const front = 1 - (drawn.length - n) / drawn.length;
    pen.strokeStyle = blend(rank[run]);
    pen.globalAlpha = Math.max(Math.min(.9, 40 / drawn.length), .025, front ** 40 * .8);
    line(run);
  });
  if (drawn.length) {
    pen.globalAlpha = 1; pen.lineWidth = 3; pen.strokeStyle = colour('model'); line(drawn.at(-1));
  }
  pen.globalAlpha = 1; pen.font = '13px system-ui, sans-serif';
  axes.forEach((axis, n) => {
    const x = across(n, wide);
    pen.strokeStyle = colour('soft'); pen.lineWidth = 1;
    pen.beginPath(); pen.moveTo(x, TOP); pen.lineTo(x, BOTTOM); pen.stroke();
    pen.fillStyle = colour('ink'); pen.font = '600 13px system-ui, sans-serif';
    pen.fillText(axis.name, x - (n ? 30 : 10), TOP - 24, 124);
    pen.font = '13px system-ui, sans-serif';
    const marks = axis.labels
      ? thinned(axis.labels.map((label, at) => [label, axis.at[at]]))
      : [0, .5, 1].map(share => [four(axis.low + share * (axis.high - axis.low)), 1 - share]);
    for (const [label, place] of marks) {
      const size = Math.min(100, pen.measureText(label).width);
      pen.fillStyle = colour('ground'); pen.globalAlpha = .8; pen.fillRect(x + 4, above(place) - 8, size + 4, 17);
      pen.globalAlpha = 1; pen.fillStyle = colour('ink'); pen.fillText(label, x + 6, above(place) + 5, 100);
    }
    if (axis.range) {
      pen.fillStyle = colour('model'); pen.globalAlpha = .35;
      pen.fillRect(x - 7, above(axis.range[1]), 14, above(axis.range[0]) - above(axis.range[1]));
      pen.globalAlpha = 1;
    }
  });
}
function thinned(marks) {
  const kept = [];
  for (const mark of marks.sort((a, b) => a[1] - b[1]))
    if (!kept.length || (mark[1] - kept.at(-1)[1]) * (BOTTOM - TOP) > 18) kept.push(mark);
  return kept;
}
function mix(a, b, share) {
  const parts = [a, b].map(colour => [1, 3, 5].map(n => parseInt(colour.slice(n, n + 2), 16)));
  return `rgb(${parts[0].map((own, n) => Math.round(own + share * (parts[1][n] - own))).join()})`;
}
if (canvas) {
  let held = null;
  const at = event => {
    const area = canvas.getBoundingClientRect(), wide = area.width;
    const x = event.clientX - area.left, place = (BOTTOM - (event.clientY - area.top)) / (BOTTOM - TOP);
    const near = axes.map((_, n) => Math.abs(across(n, wide) - x)), n = near.indexOf(Math.min(...near));
    return [n, Math.max(-.02, Math.min(1.02, place)), near[n]];
  };
  canvas.addEventListener('pointerdown', event => {
    const [n, place, far] = at(event);
    if (far > 24) return;
    held = [n, place]; axes[n].range = undefined; canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', event => {
    if (!held) return;
    const place = at(event)[1];
    axes[held[0]].range = Math.abs(place - held[1]) > .01 ? [Math.min(place, held[1]), Math.max(place, held[1])] : undefined;
    draw();
  });
  canvas.addEventListener('pointerup', () => { if (held) { held = null; select() } });
  axes.forEach((axis, n) => {
    const label = make('label', `${axis.name} `), list = document.createElement('select');
    list.append(new Option('any', ''), ...axis.bins.map((bin, at) => new Option(bin, at)));
    list.autocomplete = 'off'; list.setAttribute('aria-label', axis.title);
    list.addEventListener('change', () => { axis.chosen = list.value === '' ? undefined : Number(list.value); select() });
    label.append(list); $('#axes').append(label);
  });
  const release = make('button', 'release all');
  release.type = 'button';
  release.addEventListener('click', () => {
    axes.forEach(axis => { axis.range = undefined; axis.chosen = undefined });
    document.querySelectorAll('#axes select').forEach(list => { list.value = '' });
    select();
  });
  $('#axes').append(release);
  addEventListener('resize', draw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
}
select();
