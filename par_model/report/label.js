"use strict";
// Texts from data reach the page by textContent alone; pictures by data: addresses made here.
(() => {
  const KEYS = [..."1234567890qwertyuiopadfghjklcvbnm"]; // without the letters that are commands
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const { groups, tracklets } = data;
  const words = (name) => name.replaceAll("_", " ");
  const hasPredictions = tracklets.some((tracklet) => tracklet.predicted?.some(Boolean));

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  function tellWhatIsKept() {
    note("This browser refuses to keep answers: save the file before you close the page.");
    $("kept").textContent = "This browser keeps nothing for this page.";
  }

  function note(text) {
    $("note").textContent = text;
    $("note").hidden = !text;
  }

  const answers = new Answers(data, tellWhatIsKept);
  let at = 0; // the tracklet that is shown
  let asked = 0; // the group that is asked
  let drawn = -1; // the tracklet whose crops are in the document

  const predicted = (t, g) => tracklets[t].predicted?.[g] ?? null;
  const acceptable = () => groups.flatMap((_, g) => (answers.isOpen(at, g) && predicted(at, g) ? [[g, predicted(at, g)[0]]] : []));
  const percent = ([, share]) => `${Math.round(100 * share)}\u202f%`;
  const named = (g, answer) => (answer === UNSEEN ? "cannot be seen" : words(groups[g].answers[answer]));

  // ---- steps
  function answer(choice) {
    const g = asked;
    answers.change(at, [[g, choice]], g);
    goOn();
    say(`${words(groups[g].name)}: ${named(g, choice)}.`);
  }

  function accept() {
    const found = predicted(at, asked);
    if (found) answer(found[0]);
    else say("Nothing is predicted here.");
  }

  function acceptAll() {
    const changes = acceptable();
    if (!changes.length) return say("Nothing is predicted here.");
    answers.change(at, changes, asked);
    goOn();
    say(`${changes.length} as predicted.`);
  }

  // To the next group without an answer, of this tracklet if it has one, else of the next that has.
  function goOn() {
    for (let i = 1; i <= groups.length; i++) {
      const g = (asked + i) % groups.length;
      if (answers.isOpen(at, g)) return ask(at, g);
    }
    for (let i = 1; i < tracklets.length; i++) {
      const t = (at + i) % tracklets.length;
      if (!answers.isDone(t)) return show(t);
    }
    ask(at, asked);
  }

  function undo() {
    const step = answers.undo();
    if (!step) return say("There is nothing to undo.");
    ask(step.t, step.asked);
    say("Undone.");
  }

  function show(t) {
    ask(t, Math.max(0, answers.given[t].indexOf(null)));
  }

  function ask(t, g) {
    [at, asked] = [t, g];
    draw();
  }

  const move = (by) => tracklets[at + by] && show(at + by);
  const turn = (by) => ask(at, (asked + by + groups.length) % groups.length);

  // ---- the page
  function say(text) {
    const next = answers.isDone(at) ? (answers.done === tracklets.length ? "All answered." : "") : `${words(groups[asked].name)}?`;
    $("said").textContent = `${text} ${next}`;
  }

  function draw() {
    const { done, author, keys } = answers;
    $("meter").value = done;
    $("done").textContent = `${done} of ${tracklets.length}`;
    $("rate").textContent = done ? `${(keys / done).toFixed(1)} keys a tracklet` : "";
    $("save").classList.toggle("due", done === tracklets.length && answers.unsaved);
    $("who").textContent = author || "Who?";
    $("who").ariaLabel = `Labelled by ${author || "nobody yet"}: change`;
    drawTracklet();
    drawGroup();
    $("groups").replaceChildren(...groups.map(overview));
    const current = $("groups").children[asked];
    $("groups").scrollTop = Math.min($("groups").scrollTop, current.offsetTop - $("groups").offsetTop);
    if (current.offsetTop - $("groups").offsetTop + current.offsetHeight > $("groups").scrollTop + $("groups").clientHeight) {
      $("groups").scrollTop = current.offsetTop - $("groups").offsetTop + current.offsetHeight - $("groups").clientHeight;
    }
  }

  function drawTracklet() {
    if (drawn === at) return;
    drawn = at;
    const { id, camera, time, n, why, frames, missing } = tracklets[at];
    $("tracklet").textContent = id;
    const facts = [`${at + 1} of ${tracklets.length}`, camera && `camera ${camera}`, time, `${n} frames`];
    $("facts").textContent = facts.filter(Boolean).join(" · ");
    $("why").textContent = why ? `Chosen for: ${why}` : "";
    const crops = JSON.parse($(`crops-${at}`).textContent).map((webp, i) => {
      const image = make("img", { alt: `Frame ${frames[i]}` });
      image.src = `data:image/webp;base64,${webp}`;
      return image;
    });
    if (!crops.length) crops.push(make("p", { className: "missing", textContent: `No picture: ${missing}` }));
    $("crops").classList.toggle("few", crops.length < 4);
    $("crops").replaceChildren(...crops);
    $("back").disabled = at === 0;
    $("forth").disabled = at === tracklets.length - 1;
  }

  function drawGroup() {
    const group = groups[asked];
    const [is, guess] = [answers.given[at][asked], predicted(at, asked)];
    $("where").textContent = `Attribute ${asked + 1} of ${groups.length}`;
    $("group").textContent = words(group.name);
    const buttons = group.answers.map((name, i) => {
      const button = make("button", { type: "button", ariaPressed: String(is === i) });
      if (KEYS[i]) button.append(make("kbd", { textContent: KEYS[i] }));
      button.append(make("span", { textContent: words(name) }));
      if (guess?.[0] === i) {
        button.className = "predicted";
        button.append(make("small", { textContent: percent(guess), title: "predicted" }));
      }
      button.addEventListener("click", () => count(() => answer(i)));
      return button;
    });
    $("choices").replaceChildren(...buttons);
    $("accept").disabled = !guess;
    $("accept-all").disabled = !acceptable().length;
    $("unseen").ariaPressed = String(is === UNSEEN);
    $("undo").disabled = !answers.steps.length;
  }

  function overview(group, g) {
    const is = answers.given[at][g];
    const guess = predicted(at, g);
    const text = is !== null ? named(g, is) : guess ? `${named(g, guess[0])}? ${percent(guess)}` : "–";
    const answered = make("span", { className: is === null ? "answer open" : "answer", textContent: text });
    const button = make("button", { type: "button" }, make("b", { textContent: words(group.name) }), answered);
    if (g === asked) button.ariaCurrent = "true";
    button.addEventListener("click", () => count(() => ask(at, g)));
    return make("li", {}, button);
  }

  // ---- the file
  function save() {
    if (!answers.author) return askWho();
    const file = answers.toFile();
    const address = URL.createObjectURL(new Blob([JSON.stringify(file, null, 1)], { type: "application/json" }));
    const name = answers.author.replace(/[^\p{L}\p{M}\p{N}_-]+/gu, "-");
    make("a", { href: address, download: `answers-${name}.json` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    answers.unsaved = false;
    draw();
    say(`${file.answers.length} tracklets saved.`);
  }

  async function openFile(file) {
    try {
      answers.take(JSON.parse(await file.text()));
      note("");
    } catch (error) {
      note(`${file.name} is not taken: ${error.message}`);
    }
    closeDialog("help");
    show(answers.firstUndone);
  }

  // ---- keys
  function count(step) {
    answers.keys += 1;
    document.activeElement?.blur?.(); // or the next Space would press the button again
    step();
  }

  const commands = {
    " ": accept,
    Enter: acceptAll,
    x: () => answer(UNSEEN),
    z: undo,
    Backspace: undo,
    ArrowUp: () => turn(-1),
    ArrowDown: () => turn(1),
    ArrowLeft: () => move(-1),
    ArrowRight: () => move(1),
    s: save,
    "?": () => $("help").showModal(),
  };

  // A French keyboard's digits need Shift: there the place of the key counts.
  function keyOf({ key, code, shiftKey }) {
    const digit = /^Digit(\d)$/.exec(code)?.[1];
    if (digit && !/^\d$/.test(key) && key.length === 1 && !shiftKey) return digit;
    return key.length === 1 ? key.toLowerCase() : key;
  }

  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.altKey || document.querySelector("dialog[open]")) return;
    const key = keyOf(event);
    if ((event.ctrlKey || event.metaKey) && key !== "z" && key !== "s") return;
    if (event.target.matches("button, input") && (key === " " || key === "Enter")) return; // the browser presses it
    const choice = KEYS.indexOf(key);
    const step = commands[key] ?? (choice >= 0 && choice < groups[asked].answers.length ? () => answer(choice) : null);
    if (!step) return;
    event.preventDefault();
    if (event.repeat && !key.startsWith("Arrow")) return; // a key that is held down answers once
    count(step);
  });

  for (const [id, step] of [
    ["accept", accept],
    ["accept-all", acceptAll],
    ["unseen", commands.x],
    ["undo", undo],
    ["back", () => move(-1)],
    ["forth", () => move(1)],
  ]) {
    $(id).addEventListener("click", () => count(step));
  }
  $("save").addEventListener("click", save);
  $("keys").addEventListener("click", () => $("help").showModal());
  $("close").addEventListener("click", () => closeDialog("help"));
  $("open").addEventListener("change", () => $("open").files[0] && openFile($("open").files[0]));

  // A field of a closed dialog has the focus until the page is drawn next: a key pressed before would be the field's.
  function closeDialog(id) {
    document.activeElement?.blur?.();
    $(id).close();
  }
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("cancel", () => document.activeElement?.blur?.()); // Escape closes it
  }

  // ---- who
  function askWho() {
    $("author").value = answers.author;
    $("ask-who").showModal();
  }
  $("who").addEventListener("click", askWho);
  $("who-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!$("author").value.trim()) return;
    answers.author = $("author").value.trim();
    answers.keepWhole();
    closeDialog("ask-who");
    draw();
  });

  addEventListener("beforeunload", (event) => !answers.storage && answers.unsaved && event.preventDefault());
  addEventListener("storage", ({ key }) => {
    if (!key?.startsWith(answers.prefix)) return; // another window with the same page
    answers.restore();
    draw();
  });

  for (const part of document.querySelectorAll(".of-predictions, #accept, #accept-all")) part.hidden = !hasPredictions;
  show(answers.firstUndone);
  if (!answers.author) askWho();
})();
