"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const one = (query) => document.querySelector(query);
  const all = (query) => [...document.querySelectorAll(query)];
  const grouped = (number) => Math.round(number).toString().replace(/\B(?=(\d{3})+$)/g, ",");

  /* Theme: as the system says, light, dark. */
  const themes = ["auto", "light", "dark"];
  let theme = 0;
  let redraw = () => {};
  const button = one("#theme");
  if (button) button.addEventListener("click", () => {
    theme = (theme + 1) % 3;
    if (theme) root.dataset.theme = themes[theme]; else delete root.dataset.theme;
    button.textContent = "Theme: " + themes[theme];
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw());

  /* Copying. */
  for (const copy of all("[data-copy]")) copy.addEventListener("click", async () => {
    const from = one(copy.dataset.copy);
    const was = copy.textContent;
    try {
      await navigator.clipboard.writeText(from.textContent);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(from);
      copy.textContent = "Selected";
    }
    setTimeout(() => { copy.textContent = was; }, 1500);
  });

  /* Where a link leads into something folded, unfold it. */
  const unfold = () => {
    let target = null;
    try { target = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { return; }
    for (let up = target; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
    if (target && target !== document.body) target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  if (location.hash) unfold();

  /* The contents say where the reader is. */
  const links = new Map(all("nav.toc a").map((a) => [a.getAttribute("href").slice(1), a]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting && links.has(entry.target.id)) {
      for (const a of links.values()) { a.classList.remove("on"); a.removeAttribute("aria-current"); }
      const a = links.get(entry.target.id);
      a.classList.add("on");
      a.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "0px 0px -70% 0px" });
  for (const section of all("main section")) seen.observe(section);

  /* Findings by the keyboard. */
  const findings = all("article.finding");
  let current = -1;
  const show = (place) => {
    if (!findings.length) return;
    current = (place + findings.length) % findings.length;
    const finding = findings[current];
    for (let up = finding; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
    finding.focus({ preventScroll: true });
    finding.scrollIntoView();
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "n") show(current + 1);
    else if (event.key === "p") show(current - 1);
    else return;
    event.preventDefault();
  });
  /* Operations of a picture: one stop for Tab, arrows within. */
  for (const picture of all("svg.ce")) {
    const bars = [...picture.querySelectorAll(".opg")];
    bars.forEach((bar, place) => {
      bar.setAttribute("tabindex", place ? "-1" : "0");
      bar.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        const next = step && bars[place + step];
        if (!next) return;
        bar.setAttribute("tabindex", "-1");
        next.setAttribute("tabindex", "0");
        next.focus();
        event.preventDefault();
      });
    });
  }

  /* The timeline. */
  const about = one("#about") && JSON.parse(one("#about").textContent);
  const canvas = one("#cv");
  if (!about || !canvas) return;
  const frame = one("#tl"), over = one("#ov"), readout = one("#ro");
  const outcomes = ["ok", "failed", "unknown"];
  const G = 96, R = 14;
  const nodes = [...about.nodes];
  for (const w of about.windows) for (const node of w[1]) if (!nodes.includes(node)) nodes.push(node);
  nodes.sort();
  const shownNodes = nodes.slice(0, 16);
  const laneHigh = about.lanes > 32 ? 5 : 9;
  const nodeTop = 30, nodeHigh = 17;
  const rateTop = nodeTop + shownNodes.length * (nodeHigh + 2) + 16, rateHigh = 78;
  const latencyTop = rateTop + rateHigh + 22, latencyHigh = 100;
  const lanesTop = latencyTop + latencyHigh + 20;
  const axisTop = lanesTop + about.lanes * laneHigh + 8;
  const miniTop = axisTop + 28, miniHigh = 20;
  const H = miniTop + miniHigh + 10;
  const length = Math.max(about.length, 1);
  let W = 0, DPR = 1, v0 = 0, v1 = length;
  let ops = null;
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const x = (t) => G + (t - v0) / (v1 - v0) * (W - G - R);
  const timeAt = (px) => v0 + (px - G) / (W - G - R) * (v1 - v0);
  const seconds = (t, digits) => (t / 1e6).toFixed(digits) + " s";
  const duration = (us) => us < 1000 ? us + " µs" : us < 1e6 ? (us / 1000).toFixed(1) + " ms" : (us / 1e6).toFixed(2) + " s";

  async function unpack() {
    const text = one("#ops").textContent;
    const letters = atob(text), packed = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) packed[i] = letters.charCodeAt(i);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    let at = 0;
    const number = () => {
      let value = 0, scale = 1, byte;
      do { byte = bytes[at++]; value += (byte & 127) * scale; scale *= 128; } while (byte > 127);
      return value;
    };
    const N = about.calls;
    const column = (into, each) => {
      const end = number() + at;
      for (let i = 0; i < N; i++) each(into, i, number());
      at = end;
      return into;
    };
    const plain = (into, i, value) => { into[i] = value; };
    let last = 0;
    const start = column(new Float64Array(N), (into, i, step) => { last += step; into[i] = last; });
    const end = column(new Float64Array(N), (into, i, d) => { into[i] = d ? start[i] + d - 1 : Infinity; });
    const process = column(new Float64Array(N), plain);
    const lane = column(new Uint8Array(N), plain);
    const kind = column(new Uint32Array(N), plain);
    const node = column(new Uint16Array(N), plain);
    const key = column(new Uint32Array(N), plain);
    let value = 0;
    const isText = new Uint8Array(N);
    const values = column(new Float64Array(N), (into, i, code) => {
      if (code % 2) { into[i] = (code - 1) / 2; isText[i] = 1; return; }
      const zigzag = code / 2;
      value += zigzag % 2 ? -(zigzag + 1) / 2 : zigzag / 2;
      into[i] = value;
    });
    const count = number();
    const utf8 = new TextDecoder();
    const places = new Uint32Array(count), sizes = new Uint32Array(count);
    for (let i = 0; i < count; i++) { const size = number(); places[i] = at; sizes[i] = size; at += size; }
    const texts = (place) => place ? utf8.decode(bytes.subarray(places[place - 1], places[place - 1] + sizes[place - 1])) : "";
    const lanes = Array.from({ length: about.lanes }, () => []);
    for (let i = 0; i < N; i++) lanes[lane[i]].push(i);
    ops = { N, start, end, process, lane, kind, node, key, values, isText, texts, lanes: lanes.map((list) => Uint32Array.from(list)) };
  }

  function hatch(c, fault, px, py, w, h, colour) {
    c.save(); c.beginPath(); c.rect(px, py, w, h); c.clip();
    c.strokeStyle = colour; c.fillStyle = colour; c.lineWidth = 1.5;
    if (fault === "kill") c.fillRect(px, py, w, h);
    else if (fault === "partition") for (let i = -h; i < w + h; i += 6) { c.beginPath(); c.moveTo(px + i, py + h); c.lineTo(px + i + h, py); c.stroke(); }
    else if (fault === "pause") for (let i = 0; i < w + 6; i += 6) for (let j = 0; j < 2; j++) { c.beginPath(); c.arc(px + i + (j ? 3 : 0) + 2, py + h * (j ? .7 : .3), 1.5, 0, 7); c.fill(); }
    else for (let j = 3; j < h; j += 4) { c.beginPath(); c.moveTo(px, py + j + .5); c.lineTo(px + w, py + j + .5); c.stroke(); }
    c.restore(); c.strokeStyle = colour; c.lineWidth = 1;
    c.strokeRect(px + .5, py + .5, Math.max(1, w - 1), h - 1);
  }

  const first = (list, keys, wanted) => { let a = 0, b = list.length; while (a < b) { const m = (a + b) >> 1; if (keys[list[m]] < wanted) a = m + 1; else b = m; } return a; };

  /* Sums over columns of one width from one time on: what ended in each, how long it took, and
     how busy each client was. */
  const ROWS = 26, low = Math.log10(100), high = Math.log10(2e6);
  const rowAt = (us) => Math.max(0, Math.min(ROWS - 1, Math.floor((Math.log10(Math.max(us, 1)) - low) / (high - low) * ROWS)));
  const sums = (cols) => ({ cols, counted: [0, 1, 2].map(() => new Float64Array(cols)), heat: new Float32Array(cols * ROWS), busy: new Float32Array(cols * about.lanes), worst: new Uint8Array(cols * about.lanes) });
  function summed(from, dt, cols) {
    const into = sums(cols), { counted, heat, busy, worst } = into, to = from + cols * dt;
    ops.lanes.forEach((list, p) => {
      const base = p * cols;
      for (let k = Math.max(0, first(list, ops.start, from) - 2); k < list.length; k++) {
        const i = list[k], s = ops.start[i]; if (s > to) break;
        const o = ops.kind[i] & 3, e = ops.end[i] === Infinity ? s : ops.end[i], q = Math.floor((e - from) / dt);
        if (q >= 0 && q < cols) { counted[o][q]++; if (o === 0) heat[rowAt(e - s) * cols + q]++; }
        const a = Math.max(0, Math.floor((s - from) / dt)), b = Math.min(cols - 1, q);
        for (let z = a; z <= b; z++) { busy[base + z] += Math.min(e, from + (z + 1) * dt) - Math.max(s, from + z * dt); if (o > worst[base + z]) worst[base + z] = o; }
      }
    });
    return into;
  }
  /* The whole run in fine columns, summed once, from which any wider ones are put together. */
  const FINE = 16384, MANY = 50000;
  let fine = null;
  function columns(cols, dt) {
    const wide = length / FINE;
    if (ops.N < MANY || dt < wide) return summed(v0, dt, cols);
    fine ||= summed(0, wide, FINE);
    const into = sums(cols), q0 = Math.max(0, Math.floor(v0 / wide)), q1 = Math.min(FINE - 1, Math.floor(v1 / wide));
    /* A fine column lies in one column, or in two. */
    const column = new Int32Array(FINE), share = new Float32Array(FINE);
    for (let q = q0; q <= q1; q++) {
      const a = (q * wide - v0) / dt, k = Math.floor(a), over = a + wide / dt - (k + 1);
      column[q] = k; share[q] = over > 0 ? 1 - over * dt / wide : 1;
    }
    const spread = (out, at, values, from) => {
      for (let q = q0; q <= q1; q++) {
        const value = values[from + q]; if (!value) continue;
        const k = column[q], part = value * share[q];
        if (k >= 0 && k < cols) out[at + k] += part;
        if (part < value && k + 1 >= 0 && k + 1 < cols) out[at + k + 1] += value - part;
      }
    };
    fine.counted.forEach((values, o) => spread(into.counted[o], 0, values, 0));
    for (let r = 0; r < ROWS; r++) spread(into.heat, r * cols, fine.heat, r * FINE);
    for (let p = 0; p < about.lanes; p++) {
      spread(into.busy, p * cols, fine.busy, p * FINE);
      for (let q = q0; q <= q1; q++) { const w = fine.worst[p * FINE + q], k = column[q]; if (w && k >= 0 && k < cols && w > into.worst[p * cols + k]) into.worst[p * cols + k] = w; }
    }
    return into;
  }
  function binned(cols, dt) {
    const into = sums(cols), { counted, heat } = into, B = about.bins.length, wide = length / B;
    for (let k = 0; k < cols; k++) {
      const bin = Math.min(B - 1, Math.max(0, Math.floor((v0 + (k + .5) * dt) / wide))), row = about.bins[bin], part = dt / wide;
      for (let o = 0; o < 3; o++) counted[o][k] = row[o] * part;
      if (row[0]) for (let r = rowAt(row[3]); r <= rowAt(row[4]); r++) heat[r * cols + k] += row[0] * part;
    }
    return into;
  }
  /* Calls `fill` for every stretch of columns that look alike; 0 is nothing to be seen. */
  function stretches(cols, look, fill) {
    for (let k = 0, from = 0, now = 0; k <= cols; k++) {
      const next = k < cols ? look(k) : 0;
      if (next === now) continue;
      if (now) fill(now, from, k);
      now = next; from = k;
    }
  }

  function draw() {
    const began = performance.now();
    DPR = window.devicePixelRatio || 1; W = frame.clientWidth;
    for (const c of [canvas, over]) { c.width = W * DPR; c.height = H * DPR; c.style.width = W + "px"; c.style.height = H + "px"; }
    const c = canvas.getContext("2d"); c.scale(DPR, DPR);
    const C = {}; for (const name of ["ink", "ink2", "ink3", "rule", "rule2", "bg", "bg2", "s-ok", "s-fail", "s-info", "s-bad", "fault", "wash", "accent"]) C[name] = css("--" + name);
    const shade = [C["s-ok"], C["s-fail"], C["s-info"]];
    const sans = "12px " + css("--sans"), mono = "11px " + css("--mono");
    c.fillStyle = C.bg; c.fillRect(0, 0, W, H); c.textBaseline = "middle";
    const PW = Math.max(W - G - R, 50), cols = Math.floor(PW), span = v1 - v0, dt = span / cols;
    c.save(); c.beginPath(); c.rect(G, 0, PW, H); c.clip();
    for (const [, , from, to] of about.windows) { const a = x(from * 1000), b = to === null ? x(length) : x(to * 1000); c.fillStyle = C.wash; c.fillRect(a, nodeTop, b - a, axisTop - nodeTop); }
    const steps = [1, 2, 5].flatMap((q) => [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9].map((p) => p * q)).sort((a, b) => a - b);
    const step = steps.find((q) => span / q <= Math.max(4, PW / 90)) || span;
    c.strokeStyle = C.rule; c.lineWidth = 1;
    for (let t = Math.ceil(v0 / step) * step; t <= v1; t += step) { const px = Math.round(x(t)) + .5; c.beginPath(); c.moveTo(px, nodeTop); c.lineTo(px, axisTop); c.stroke(); }
    /* nodes and what was done to them */
    const rowOf = (n) => nodeTop + n * (nodeHigh + 2);
    shownNodes.forEach((_, n) => { c.fillStyle = C.bg2; c.fillRect(G, rowOf(n), PW, nodeHigh); });
    const labels = [];
    for (const [fault, on, from, to] of about.windows) {
      const a = x(from * 1000), b = to === null ? x(length) : x(to * 1000);
      const rows = on.map((node) => shownNodes.indexOf(node)).filter((n) => n >= 0);
      for (const n of rows.length ? rows : shownNodes.keys()) if (b > G && a < W) hatch(c, fault, Math.max(a, G - 20), rowOf(n), Math.max(2, Math.min(b, W) - Math.max(a, G - 20)), nodeHigh, C.fault);
      labels.push([Math.max(a, G), b, rows.length ? rows[0] : 0, fault + (on.length ? " of " + on.join(" ") : "")]);
    }
    c.font = "600 " + sans;
    for (const [a, b, row, text] of labels) {
      const tw = c.measureText(text).width; if (b < G || a > W - R) continue;
      const px = b - a > tw + 14 ? a + 5 : Math.min(b + 3, W - R - tw - 8);
      c.fillStyle = C.bg; c.fillRect(px, rowOf(row) + 1, tw + 8, 15); c.fillStyle = C.ink; c.fillText(text, px + 4, rowOf(row) + nodeHigh / 2);
    }
    c.strokeStyle = C.ink2;
    for (const [name, ms] of about.events) { const px = x(ms * 1000); if (px < G || px > W - R) continue; c.fillStyle = C.ink2; c.fillRect(px, nodeTop - 5, 1.5, 5); if (name === "promote") { c.font = sans; const tw = c.measureText(name).width; c.fillStyle = C.bg; c.fillRect(px + 2, rowOf(shownNodes.length - 1) + 1, tw + 6, 15); c.fillStyle = C.ink; c.fillText(name, px + 5, rowOf(shownNodes.length - 1) + nodeHigh / 2); } }
    /* what ended when: from single operations where they are there, else from counts */
    const { counted, heat, busy, worst } = ops && !about.near ? columns(cols, dt) : binned(cols, dt);
    let visible = ops && !about.near ? ops.lanes.reduce((sum, list) => sum + first(list, ops.start, v1) - Math.max(0, first(list, ops.start, v0) - 2), 0) : 0;
    const single = ops && visible < 20000;
    /* throughput */
    { const bw = Math.max(4, Math.ceil(20000 / dt)), parts = Math.ceil(cols / bw), sums = [];
      let most = 1; for (let b = 0; b < parts; b++) { const z = [0, 0, 0]; const w = Math.min(bw, cols - b * bw); for (let k = b * bw; k < b * bw + w; k++) for (let o = 0; o < 3; o++) z[o] += counted[o][k]; const rate = z.map((n) => n / (w * dt) * 1e6); sums.push([w, rate]); most = Math.max(most, rate[0] + rate[1] + rate[2]); }
      const digits = Math.pow(10, Math.floor(Math.log10(most))); const top = Math.ceil(most / digits) * digits;
      sums.forEach(([w, rate], b) => { let y = rateTop + rateHigh; rate.forEach((n, o) => { if (!n) return; const h = Math.max(o ? 1.5 : .5, n / top * rateHigh); c.fillStyle = shade[o]; c.fillRect(G + b * bw, y - h, w, h); y -= h; }); });
      c.strokeStyle = C.rule2; c.beginPath(); c.moveTo(G, rateTop + rateHigh + .5); c.lineTo(W - R, rateTop + rateHigh + .5); c.stroke();
      c.rateMost = top; }
    /* latency */
    { const rh = latencyHigh / ROWS; let most = 1; for (const q of heat) if (q > most) most = q; const lm = Math.log(1 + most); c.fillStyle = C["s-ok"];
      const SHADES = 12;
      for (let r = 0; r < ROWS; r++) stretches(cols, (k) => { const q = heat[r * cols + k]; return q > 0 ? Math.max(1, Math.round(Math.log(1 + q) / lm * SHADES)) : 0; }, (shade, a, b) => {
        c.globalAlpha = .22 + .78 * shade / SHADES; c.fillRect(G + a, latencyTop + latencyHigh - (r + 1) * rh, single ? Math.max(4, b - a) : b - a, rh + .3);
      });
      c.globalAlpha = 1; c.strokeStyle = C.rule2; c.beginPath(); c.moveTo(G, latencyTop + latencyHigh + .5); c.lineTo(W - R, latencyTop + latencyHigh + .5); c.stroke(); }
    /* operations, one lane a client */
    if (ops) for (let p = 0; p < about.lanes; p++) {
      const y = lanesTop + p * laneHigh, rh = laneHigh;
      if (!single && !about.near) stretches(cols, (k) => {
        const o = busy[p * cols + k] / dt, w = worst[p * cols + k];
        return w ? 16 + w : o > 0 ? Math.max(1, Math.round(Math.min(1, .2 + o * 2) * 15)) : 0;
      }, (look, a, b) => {
        const w = b - a;
        if (look === 18) { c.fillStyle = shade[2]; c.fillRect(G + a, y + 1, w, 1.5); c.fillRect(G + a, y + rh - 2.5, w, 1.5); c.globalAlpha = .25; c.fillRect(G + a, y + 2, w, rh - 4); }
        else if (look === 17) { c.fillStyle = shade[1]; c.fillRect(G + a, y + rh / 2, w, rh / 2 - 1); }
        else { c.globalAlpha = look / 15; c.fillStyle = shade[0]; c.fillRect(G + a, y + 1, w, rh - 2); }
        c.globalAlpha = 1;
      });
      else { const list = ops.lanes[p]; for (let k = Math.max(0, first(list, ops.start, v0) - 2); k < list.length; k++) { const i = list[k]; if (ops.start[i] > v1) break; const o = ops.kind[i] & 3, a = x(ops.start[i]), open = ops.end[i] === Infinity, b = open ? Math.min(a + 40, W) : Math.max(a + 1.5, x(ops.end[i])); if (b < G) continue;
        if (o === 0) { c.fillStyle = shade[0]; c.fillRect(a, y + 1, b - a, rh - 2); }
        else if (o === 1) { c.strokeStyle = shade[1]; c.lineWidth = 1.5; c.strokeRect(a + .75, y + 1.75, Math.max(.5, b - a - 1.5), rh - 3.5); }
        else { c.strokeStyle = shade[2]; c.lineWidth = 1.5; c.setLineDash([3, 2]); c.beginPath(); c.moveTo(b, y + 1.5); c.lineTo(a + .75, y + 1.5); c.lineTo(a + .75, y + rh - 1.5); c.lineTo(b, y + rh - 1.5); c.stroke(); c.setLineDash([]); }
        visible++; } }
    }
    if (about.near) { c.fillStyle = C.ink3; c.font = sans; c.textAlign = "left"; c.fillText("single operations only around findings", G + 6, lanesTop - 8); }
    /* findings */
    let lastFlag = -100;
    for (const [id, t, lane] of [...about.marks].sort((a, b) => a[1] - b[1])) {
      const px = x(t); if (px < G - 6 || px > W - R + 6) continue;
      const y = lanesTop + lane * laneHigh + laneHigh / 2;
      c.fillStyle = C.bg; c.beginPath(); c.moveTo(px, y - 7); c.lineTo(px + 7, y + 6); c.lineTo(px - 7, y + 6); c.fill();
      c.fillStyle = C["s-bad"]; c.beginPath(); c.moveTo(px, y - 5); c.lineTo(px + 5, y + 4.5); c.lineTo(px - 5, y + 4.5); c.fill();
      if (px - lastFlag < 34) continue; lastFlag = px;
      c.strokeStyle = C["s-bad"]; c.setLineDash([1, 3]); c.beginPath(); c.moveTo(px, 22); c.lineTo(px, axisTop); c.stroke(); c.setLineDash([]);
      c.fillStyle = C["s-bad"]; c.fillRect(px - 15, 6, 30, 16); c.fillStyle = C.bg; c.font = "700 " + mono; c.textAlign = "center"; c.fillText(id, px, 14.5); c.textAlign = "left";
    }
    c.restore();
    /* names at the left */
    c.fillStyle = C.bg; c.fillRect(0, 0, G - 1, H); c.textAlign = "right"; c.font = sans; c.fillStyle = C.ink2;
    if (about.marks.length) c.fillText("findings", G - 8, 14);
    shownNodes.forEach((node, n) => c.fillText(node.slice(0, 12), G - 8, rowOf(n) + nodeHigh / 2));
    c.fillStyle = C.ink; c.font = "600 " + sans; c.fillText("ops/s", G - 46, rateTop + 6); c.fillText("latency", G - 46, latencyTop + 6);
    c.fillText("clients", G - 8, lanesTop + 8); c.font = mono; c.fillStyle = C.ink3;
    c.fillText(grouped(c.rateMost || 0), G - 8, rateTop + 20); c.fillText("0", G - 8, rateTop + rateHigh);
    for (const [us, text] of [[1e3, "1 ms"], [1e4, "10 ms"], [1e5, "100 ms"], [1e6, "1 s"]]) { const y = latencyTop + latencyHigh * (1 - (Math.log10(us) - low) / (high - low)); c.fillText(text, G - 8, y); c.fillStyle = C.rule2; c.fillRect(G - 5, y, 5, 1); c.fillStyle = C.ink3; }
    /* axis */
    c.textAlign = "center"; c.fillStyle = C.ink2; const digits = Math.max(0, Math.min(6, Math.ceil(6 - Math.log10(step))));
    for (let t = Math.ceil(v0 / step) * step; t <= v1; t += step) { const px = x(t); if (px > G && px < W - R - 8) c.fillText(seconds(t, digits), px, axisTop + 12); }
    const X = (t) => G + t / length * PW; c.fillStyle = C.bg2; c.fillRect(G, miniTop, PW, miniHigh);
    c.fillStyle = C.fault; c.globalAlpha = .4; for (const [, , from, to] of about.windows) { const a = X(from * 1000), b = to === null ? X(length) : X(to * 1000); c.fillRect(a, miniTop, Math.max(1, b - a), miniHigh); } c.globalAlpha = 1;
    c.fillStyle = C["s-bad"]; for (const mark of about.marks) c.fillRect(X(mark[1]) - 1, miniTop, 2, miniHigh);
    c.strokeStyle = C.accent; c.lineWidth = 2; c.strokeRect(X(v0) + 1, miniTop + 1, Math.max(3, X(v1) - X(v0) - 2), miniHigh - 2);
    c.textAlign = "right"; c.font = sans; c.fillStyle = C.ink2; c.fillText("whole run", G - 8, miniTop + miniHigh / 2); c.textAlign = "left";
    const took = Math.round(performance.now() - began);
    root.dataset.drawn = String(took);
    one("#drawn").textContent = "Drawn in " + took + " ms: " + grouped(visible) + " of " + grouped(about.all) + " operations.";
  }
  redraw = draw;

  function opAt(px, py) {
    if (!ops) return -1;
    const p = Math.floor((py - lanesTop) / laneHigh);
    if (p < 0 || p >= about.lanes) return -1;
    const t = timeAt(px), slack = (v1 - v0) / (W - G - R) * 3, list = ops.lanes[p];
    let k = first(list, ops.start, t + slack) - 1;
    for (let tries = 0; k >= 0 && tries < 4; k--, tries++) { const i = list[k]; if (ops.end[i] + slack >= t) return i; }
    return -1;
  }
  function words(i) {
    const f = about.functions[ops.kind[i] >> 2], o = ops.kind[i] & 3, key = ops.texts(ops.key[i]);
    const value = ops.isText[i] ? ops.texts(ops.values[i]) : String(ops.values[i]);
    const node = ops.node[i] ? " at " + about.nodes[ops.node[i] - 1] : "";
    return "p" + ops.process[i] + node + ": " + f + (key && key !== "nil" ? " " + key : "") + " " + value + ", " + outcomes[o] + (ops.end[i] === Infinity ? ", no answer" : ", " + duration(ops.end[i] - ops.start[i])) + ", began " + seconds(ops.start[i], 6);
  }
  function point(px, py) {
    const c = over.getContext("2d"); c.setTransform(DPR, 0, 0, DPR, 0, 0); c.clearRect(0, 0, W, H);
    if (px == null || px < G || px > W - R) return;
    c.strokeStyle = css("--ink"); c.beginPath(); c.moveTo(Math.round(px) + .5, nodeTop); c.lineTo(Math.round(px) + .5, axisTop); c.stroke();
    const t = timeAt(px); let text = "t = " + seconds(t, 3);
    const active = about.windows.filter(([, , from, to]) => t >= from * 1000 && (to === null || t <= to * 1000)).map(([fault, on]) => fault + (on.length ? " of " + on.join(" ") : ""));
    text += "   faults: " + (active.join(", ") || "none");
    const phase = about.phases.filter((p) => p[1] <= t).pop(); if (phase) text += "   phase: " + phase[0];
    const mark = about.marks.find((m) => Math.abs(x(m[1]) - px) < 7);
    const op = opAt(px, py);
    if (mark) text += "\n" + mark[0] + ": " + mark[3]; if (op >= 0) text += "\n" + words(op);
    readout.textContent = text;
  }
  function range(a, b, quiet) {
    const w = Math.max(50, Math.min(length, b - a)); a = Math.max(0, Math.min(length - w, a)); v0 = a; v1 = a + w; draw();
    if (!quiet) readout.textContent = "Showing " + seconds(v0, 3) + " to " + seconds(v1, 3);
    for (const r of all("[data-range]")) { const known = named(r.dataset.range); r.setAttribute("aria-pressed", String(!!known && Math.abs(known[0] - v0) < 1 && Math.abs(known[1] - v1) < 1)); }
  }
  const zoom = (factor, t = (v0 + v1) / 2) => range(t - (t - v0) * factor, t + (v1 - t) * factor);
  function named(name) {
    if (name === "all") return [0, length];
    if (name[0] !== "w") return null;
    const w = about.windows[Number(name.slice(1))]; if (!w) return null;
    const a = w[2] * 1000, b = w[3] === null ? length : w[3] * 1000, m = Math.max((b - a) * .3, 1e5);
    const wide = Math.min(length, b - a + 2 * m), from = Math.max(0, Math.min(length - wide, a - m));
    return [from, from + wide];
  }
  for (const r of all("[data-range]")) r.addEventListener("click", () => { const name = r.dataset.range; if (name === "in") zoom(.4); else if (name === "out") zoom(2.5); else { const known = named(name); if (known) range(...known); } });
  /* Where the pointer is on the canvas is taken when it moves, as the page may scroll until it is drawn. */
  let drag = null, waiting = 0, pointer = [0, 0];
  frame.addEventListener("pointermove", (event) => {
    const r = canvas.getBoundingClientRect(); pointer = [event.clientX - r.left, event.clientY - r.top];
    waiting ||= requestAnimationFrame(() => { waiting = 0; const [px, py] = pointer; if (drag) { const d = (drag.x - px) / (W - G - R) * (drag.b - drag.a); range(drag.a + d, drag.b + d, true); } point(px, py); });
  });
  frame.addEventListener("pointerleave", () => point());
  canvas.addEventListener("pointerdown", (event) => { const r = canvas.getBoundingClientRect(), px = event.clientX - r.left, py = event.clientY - r.top; if (py > miniTop) { const t = (px - G) / (W - G - R) * length, w = v1 - v0; range(t - w / 2, t + w / 2); } else { drag = { x: px, a: v0, b: v1 }; canvas.setPointerCapture(event.pointerId); } });
  canvas.addEventListener("pointerup", () => { drag = null; });
  canvas.addEventListener("pointercancel", () => { drag = null; });
  canvas.addEventListener("wheel", (event) => { if (!event.ctrlKey && !event.metaKey) return; event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : .8, timeAt(event.clientX - canvas.getBoundingClientRect().left)); }, { passive: false });
  frame.addEventListener("keydown", (event) => {
    const w = v1 - v0, k = event.key;
    if (k === "ArrowLeft") range(v0 - w * .2, v1 - w * .2); else if (k === "ArrowRight") range(v0 + w * .2, v1 + w * .2);
    else if (k === "+" || k === "=" || k === "ArrowUp") zoom(.5); else if (k === "-" || k === "ArrowDown") zoom(2); else if (k === "0") range(0, length);
    else if (k === "[" || k === "]") { const marks = [...about.marks].sort((a, b) => a[1] - b[1]); if (!marks.length) return; const c = (v0 + v1) / 2; const m = k === "]" ? marks.find((q) => q[1] > c + 1) || marks[0] : marks.reverse().find((q) => q[1] < c - 1) || marks[0]; range(m[1] - 5000, m[1] + 5000, true); readout.textContent = m[0] + " at " + seconds(m[1], 6) + ": " + m[3]; }
    else return;
    event.preventDefault();
  });
  let resizing = 0;
  addEventListener("resize", () => { cancelAnimationFrame(resizing); resizing = requestAnimationFrame(draw); });
  draw();
  unpack().then(() => { range(v0, v1, true); root.dataset.loaded = String(Math.round(performance.now())); }).catch((error) => { readout.textContent = "The single operations cannot be shown: " + error.message; root.dataset.loaded = "failed"; });
})();
