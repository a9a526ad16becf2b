// What makes the console livelier than its pages are by themselves: dialogs, menus, live progress, the reader's clock.
// Every page works without it.
'use strict';

(() => {
  const dialog = document.getElementById('dialog');
  const body = document.getElementById('dialog-body');
  const said = document.getElementById('said');
  const say = (words) => { if (said) said.textContent = words; };

  // The server shows times by the clock that this cookie names.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.includes('snaphold_zone=')) {
    document.cookie = 'snaphold_zone=' + encodeURIComponent(zone) + '; path=/; max-age=31536000; samesite=lax';
  }

  // Links that open in the page's dialog. With a modifier key they are links.
  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[data-dialog]');
    if (link && dialog && window.htmx && !(event.metaKey || event.ctrlKey || event.shiftKey || event.button)) {
      event.preventDefault();
      const menu = link.closest('[popover]');
      const opener = menu ? document.querySelector('[popovertarget="' + CSS.escape(menu.id) + '"]') : link;
      if (menu) menu.hidePopover();
      if (opener) opener.focus();
      htmx.ajax('GET', link.getAttribute('href'), { target: '#dialog-body', swap: 'innerHTML' });
      return;
    }
    if (dialog && dialog.open) {
      const isCancel = event.target.closest('#dialog [data-close]');
      if (isCancel) event.preventDefault();
      if (isCancel || event.target === dialog) dialog.close();
    }
    const copy = event.target.closest('[data-copy]');
    if (copy && navigator.clipboard) {
      navigator.clipboard.writeText(copy.dataset.copy).then(() => { copy.textContent = 'Copied'; say('Copied'); });
    }
    if (event.target.matches('[data-select]')) event.target.select();
  });

  document.addEventListener('htmx:afterSwap', (event) => {
    if (!dialog || event.detail.target !== body) return;
    if (!dialog.open) dialog.showModal();
    const first = body.querySelector('[aria-invalid], [role=alert], .form input:not([type=hidden]), .form select, .form button');
    if (first) { if (!first.matches('input,select,button')) first.tabIndex = -1; first.focus(); }
  });
  document.addEventListener('htmx:sendError', () => say('The server did not answer. Try again.'));
  if (dialog) dialog.addEventListener('close', () => body.replaceChildren());

  // Menus: arrow keys, Home and End, as menus have them. Opening and Escape are the browser's.
  document.addEventListener('toggle', (event) => {
    const menu = event.target;
    if (!(menu instanceof Element) || !menu.matches('.menu')) return;
    const opener = document.querySelector('[popovertarget="' + CSS.escape(menu.id) + '"]');
    if (opener) opener.setAttribute('aria-expanded', String(event.newState === 'open'));
    if (event.newState !== 'open') return;
    if (opener && !CSS.supports('position-area: bottom')) {
      const from = opener.getBoundingClientRect();
      const below = Math.min(from.bottom, innerHeight - menu.offsetHeight - 12);
      menu.style.top = Math.max(8, below) + 'px';
      menu.style.left = Math.max(8, from.right - menu.offsetWidth) + 'px';
    }
    const item = menu.querySelector('[role=menuitem]');
    if (item) item.focus();
  }, true);

  document.addEventListener('keydown', (event) => {
    const menu = event.target.closest ? event.target.closest('.menu') : null;
    if (!menu) return;
    const items = [...menu.querySelectorAll('[role=menuitem]')];
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to === undefined) {
      if (event.key === 'Tab') menu.hidePopover();
      return;
    }
    event.preventDefault();
    items[(to + items.length) % items.length].focus();
  });

  // What a mark of a plot stands for.
  let tip;
  const hide = () => { if (tip) { tip.remove(); tip = undefined; } };
  document.addEventListener('pointerover', (event) => {
    const words = event.target.dataset ? event.target.dataset.tip : undefined;
    hide();
    if (!words) return;
    tip = document.createElement('div');
    tip.className = 'tip';
    tip.textContent = words;
    document.body.append(tip);
    const at = event.target.getBoundingClientRect();
    const left = Math.min(innerWidth - tip.offsetWidth - 8, Math.max(8, at.left + at.width / 2 - tip.offsetWidth / 2));
    const above = at.top - tip.offsetHeight - 8;
    tip.style.left = left + 'px';
    tip.style.top = (above > 8 ? above : at.bottom + 8) + 'px';
  });
  document.addEventListener('scroll', hide, true);

  // Jobs: the stream says how far each is; when one is over, what the page lists is asked for anew.
  const size = (bytes) => {
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
    let at = 0;
    while (bytes >= 1024 && at < 6) { bytes /= 1024; at += 1; }
    return (at ? (Math.floor(bytes * 10) / 10).toFixed(1) : bytes) + ' ' + units[at];
  };
  const put = (element, part, words) => {
    const found = element.querySelector('[data-part="' + part + '"]');
    if (found && found.textContent !== words) found.textContent = words;
  };
  const isOpen = (status) => status === 'queued' || status === 'running';

  const TITLES = {
    snapshot: 'Snapshot', load: 'Load', restore: 'Restore', undo: 'Undo of a restore', resume: 'Restore', abort: 'Restore',
    export: 'Export', clone: 'New instance', delete: 'Deletion', gc: 'Freeing space', verify: 'Verification',
    drill: 'Drill', check: 'Check', policy: 'Scheduled snapshot',
  };
  const wordsOf = (job) => {
    if (job.status === 'running') return job.cancel_requested ? 'stopping' : job.stage || 'starting';
    return { queued: 'waiting for its turn', succeeded: 'done' }[job.status] || job.status;
  };

  function show(element, job) {
    const bar = element.querySelector('progress');
    put(element, 'stage', wordsOf(job));
    put(element, 'amount', job.bytes_total ? size(job.bytes_done) + ' of ' + size(job.bytes_total) : job.bytes_done ? size(job.bytes_done) : '');
    if (job.percent === null || job.percent === undefined) {
      if (bar) bar.removeAttribute('value');
      put(element, 'percent', '');
    } else {
      if (bar) bar.value = job.percent;
      put(element, 'percent', Math.floor(job.percent) + ' %');
    }
    if (element.dataset.status !== job.status) {
      element.dataset.status = job.status;
      say((TITLES[job.kind] || 'Job') + ': ' + wordsOf(job));
    }
  }

  // The page anew, in its place: what is open or being typed is left alone until it is over.
  let waiting;
  function refresh() {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      if (dialog && dialog.open || document.querySelector('.menu:popover-open, #main form[method=post] :focus')) return refresh();
      const answer = await fetch(location.href, { headers: { Accept: 'text/html' } });
      if (!answer.ok || answer.redirected) return location.reload();
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
      for (const place of ['#main', '#places']) {
        const [here, there] = [document.querySelector(place), fresh.querySelector(place)];
        if (!here || !there) continue;
        const focused = here.contains(document.activeElement) ? document.activeElement : null;
        const href = focused && focused.getAttribute('href');
        here.replaceChildren(...there.childNodes);
        if (window.htmx) htmx.process(here);
        const again = href && here.querySelector('[href="' + CSS.escape(href) + '"]');
        if (again) again.focus();
      }
    }, 250);
  }

  // A dump goes up in pieces, as REST takes them. What came stays there: after a break it goes on, also on another day.
  const PIECE = 8 * 1024 * 1024;

  class Upload {
    constructor(form, file) {
      Object.assign(this, { form, file, sent: 0, paused: false, memory: form.dataset.upload + ':' + file.name + ':' + file.size + ':' + file.lastModified });
      this.shown = form.querySelector('[data-part=upload]');
      this.csrf = form.elements.csrf.value;
    }

    async ask(method, path, options) {
      const headers = { 'X-CSRF-Token': this.csrf, ...options.headers };
      const answer = await fetch(path, { method, body: options.body, headers });
      if (answer.ok) return answer;
      const problem = await answer.json().catch(() => ({}));
      throw Object.assign(new Error(problem.detail || 'The server refused it.'), { status: answer.status });
    }

    json(method, path, value) {
      return this.ask(method, path, { body: JSON.stringify(value), headers: { 'Content-Type': 'application/json' } });
    }

    tell(words) {
      const percent = this.file.size ? Math.floor(this.sent * 100 / this.file.size) : 0;
      put(this.shown, 'stage', words);
      put(this.shown, 'percent', percent + ' %');
      put(this.shown, 'amount', size(this.sent) + ' of ' + size(this.file.size));
      this.shown.querySelector('progress').value = percent;
    }

    async begin() {
      const known = localStorage.getItem(this.memory);
      if (known) {
        const answer = await fetch('/v1/loads/' + known);
        const load = answer.ok ? await answer.json() : {};
        if (load.status === 'receiving') {
          this.sent = load.received;
          return known;
        }
      }
      const answer = await this.json('POST', this.form.dataset.upload, { file_name: this.file.name, length: this.file.size });
      const { id } = await answer.json();
      localStorage.setItem(this.memory, id);
      return id;
    }

    async send() {
      this.shown.hidden = false;
      this.id = await this.begin();
      const path = '/v1/loads/' + this.id;
      for (let tries = 0; this.sent < this.file.size;) {
        while (this.paused) await new Promise((resolve) => { this.resume = resolve; });
        this.tell('Uploading');
        const piece = this.file.slice(this.sent, this.sent + PIECE);
        try {
          const headers = { 'Content-Type': 'application/offset+octet-stream', 'Upload-Offset': String(this.sent) };
          const answer = await this.ask('PATCH', path, { body: piece, headers });
          this.sent = Number(answer.headers.get('Upload-Offset'));
          tries = 0;
        } catch (error) {
          if (error.status && error.status !== 409 && error.status !== 408 && error.status < 500 || tries >= 8) throw error;
          this.tell('Waiting for the connection');
          await new Promise((resolve) => { setTimeout(resolve, 500 * 2 ** tries); });
          tries += 1;
          const answer = await fetch(path).catch(() => null);
          if (answer && answer.ok) this.sent = (await answer.json()).received;
        }
      }
      this.tell('Loading');
      const fields = this.form.elements;
      const asked = { description: fields.description.value || null, no_safety: Boolean(fields.safety && !fields.safety.checked) };
      if (fields.confirm) asked.confirm = fields.confirm.value;
      const answer = await this.json('POST', path + '/complete', asked);
      localStorage.removeItem(this.memory);
      return (await answer.json()).job.id;
    }
  }

  document.addEventListener('submit', async (event) => {
    const form = event.target.closest('form[data-upload]');
    const file = form && form.elements.file.files[0];
    if (!file) return;
    event.preventDefault();
    const upload = new Upload(form, file);
    const button = form.querySelector('[type=submit]');
    const pause = form.querySelector('[data-part=pause]');
    const wrong = form.querySelector('[data-part=wrong]');
    pause.onclick = () => {
      upload.paused = !upload.paused;
      pause.textContent = upload.paused ? 'Go on' : 'Pause';
      if (upload.paused) upload.tell('Paused'); else if (upload.resume) upload.resume();
    };
    button.disabled = true;
    wrong.hidden = true;
    try {
      location.assign('/console/jobs/' + encodeURIComponent(await upload.send()));
    } catch (error) {
      button.disabled = false;
      wrong.hidden = false;
      put(wrong, 'words', error.message);
      wrong.focus();
    }
  });

  // One stream for each page that is looked at: a browser has few connections to one server.
  const address = document.body.dataset.events;
  let source;
  function listen() {
    if (!address || !window.EventSource || source || document.hidden) return;
    source = new EventSource(address);
    source.addEventListener('job', (event) => {
      const job = JSON.parse(event.data);
      const shown = [...document.querySelectorAll('[data-job="' + CSS.escape(job.id) + '"]')];
      const wasOpen = shown.some((element) => isOpen(element.dataset.status));
      shown.forEach((element) => show(element, job));
      const isNews = shown.length ? wasOpen && !isOpen(job.status) : isOpen(job.status) && !known.has(job.id);
      known.add(job.id);
      if (isNews && document.querySelector('[data-refresh]')) refresh();
    });
  }
  const known = new Set([...document.querySelectorAll('[data-job]')].map((element) => element.dataset.job));
  const close = () => { if (source) source.close(); source = undefined; };
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : listen()));
  addEventListener('pagehide', close);
  listen();
})();
