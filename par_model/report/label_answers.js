"use strict";
// What a person has answered on the labelling page: kept in the browser, undone, saved as a file and taken from one.
// Of a tracklet and a group an answer is the place among the group's answers, UNSEEN, or null where there is none yet.
const UNSEEN = -1;

class Answers {
  static FORMAT = "parjob-answers";

  // lost: called when the browser keeps nothing (any more).
  constructor(data, lost) {
    this.data = data;
    this.lost = lost;
    this.author = data.author.trim();
    this.keys = 0;
    this.unsaved = false;
    this.given = data.tracklets.map(() => data.groups.map(() => null));
    this.times = data.tracklets.map(() => null);
    this.steps = []; // the answers of one tracklet before each step, for undo
    this.prefix = ["parjob-label", data.tracklets_sha256, data.schema_sha256, data.blind, data.author].join(" ");
    this.storage = null;
    try {
      window.localStorage.setItem(`${this.prefix} test`, "");
      window.localStorage.removeItem(`${this.prefix} test`);
      this.storage = window.localStorage;
    } catch {
      lost();
    }
    this.restore();
  }

  isOpen(t, g) {
    return this.given[t][g] === null;
  }

  isDone(t) {
    return !this.given[t].includes(null);
  }

  get done() {
    return this.given.filter((_, t) => this.isDone(t)).length;
  }

  get firstUndone() {
    return Math.max(0, this.given.findIndex((_, t) => !this.isDone(t)));
  }

  // ---- steps. changes: pairs of group and answer; asked: the group that undo asks again.
  change(t, changes, asked, time = new Date().toISOString()) {
    this.steps.push({ t, asked, given: [...this.given[t]], time: this.times[t] });
    for (const [g, answer] of changes) this.given[t][g] = answer;
    this.times[t] = time;
    this.keep(t);
  }

  undo() {
    const step = this.steps.pop();
    if (!step) return null;
    this.given[step.t] = step.given;
    this.times[step.t] = step.time;
    this.keep(step.t);
    return step;
  }

  // ---- the browser's storage: one entry a tracklet, and one about the whole
  keep(t) {
    this.unsaved = true;
    this.write(`${this.prefix} ${t}`, { given: this.given[t], time: this.times[t] });
    this.keepWhole();
  }

  keepWhole() {
    this.write(this.prefix, { author: this.author, keys: this.keys });
  }

  write(name, value) {
    try {
      this.storage?.setItem(name, JSON.stringify(value));
    } catch {
      this.storage = null;
      this.lost();
    }
  }

  read(name) {
    try {
      return JSON.parse(this.storage.getItem(name)) ?? {};
    } catch {
      return {};
    }
  }

  restore() {
    if (!this.storage) return;
    const whole = this.read(this.prefix);
    if (typeof whole.author === "string" && whole.author.trim()) this.author = whole.author;
    if (Number.isInteger(whole.keys)) this.keys = whole.keys;
    this.given.forEach((_, t) => {
      const { given, time } = this.read(`${this.prefix} ${t}`);
      if (!this.fits(given)) return;
      this.given[t] = given;
      this.times[t] = typeof time === "string" ? time : null;
    });
  }

  fits(given) {
    const { groups } = this.data;
    const isAnswer = (a, g) => a === null || (Number.isInteger(a) && a >= UNSEEN && a < groups[g].answers.length);
    return Array.isArray(given) && given.length === groups.length && given.every(isAnswer);
  }

  // ---- the file
  toFile() {
    const { schema, schema_name, schema_sha256, manifest, tracklets_sha256, blind, tool, tracklets } = this.data;
    const about = { schema, schema_name, schema_sha256, manifest, tracklets_sha256, blind, tool, keys: this.keys };
    const answers = tracklets.flatMap(({ id }, t) => this.told(id, t));
    return { format: Answers.FORMAT, version: 1, author: this.author, ...about, answers };
  }

  told(id, t) {
    const groups = this.data.groups.flatMap(({ name, answers }, g) => {
      const place = this.given[t][g];
      return place === null ? [] : [[name, place === UNSEEN ? null : answers[place]]];
    });
    return groups.length ? [{ tracklet_id: id, time: this.times[t], groups: Object.fromEntries(groups) }] : [];
  }

  // Raises an Error that says why a file's content is not taken.
  take(found) {
    if (found?.format !== Answers.FORMAT || !Array.isArray(found.answers)) throw Error("it is not a file of answers");
    if (found.schema !== this.data.schema) throw Error(`its answers are by another schema, ${found.schema_name}`);
    const author = typeof found.author === "string" ? found.author.trim() : "";
    if (author && this.author && author !== this.author) {
      throw Error(`it has answers of ${author}, and here ${this.author} labels: if that is one person, change the name first`);
    }
    const places = new Map(this.data.tracklets.map(({ id }, t) => [id, t]));
    const known = found.answers.filter((about) => places.has(about.tracklet_id));
    if (!known.length) throw Error("it has no answer for a tracklet of this page");
    const read = known.map(({ tracklet_id: id, time, groups }) => [places.get(id), this.changes(groups), 0, time]);
    this.author ||= author;
    if (Number.isInteger(found.keys)) this.keys = found.keys;
    for (const step of read) this.change(...step); // all, or none where one is no answer
  }

  changes(given) {
    return this.data.groups.flatMap(({ name, answers }, g) => {
      if (!Object.hasOwn(given, name)) return [];
      if (given[name] === null) return [[g, UNSEEN]];
      const place = answers.indexOf(given[name]);
      if (place < 0) throw Error(`${given[name]} is no answer of ${name}`);
      return [[g, place]];
    });
  }
}
