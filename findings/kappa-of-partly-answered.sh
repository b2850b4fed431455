#!/usr/bin/env bash
# statsmodels 0.15.0, nltk 3.10.4, krippendorff 0.9.0, numpy 2.4, Python 3.11: how far three people agree of whom one
# answered only some of the items, as when labels are collected a batch at a time.
#
# Wherever two of them answered, they said the same.
#
# Guess: each library compares what was answered, NaN or an absent row meaning "not answered", so that every coefficient
# is 1.
#
# Seen: krippendorff's alpha and nltk's alpha are 1. statsmodels' aggregate_raters makes a category of NaN, which then
# counts as an answer that others did not give: Fleiss' kappa is 0.355. Without that column fleiss_kappa stops with an
# AssertionError that has no text, since it wants as many answers for every item. nltk's kappa, multi_kappa, pi and S end
# in "generator raised StopIteration".
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet statsmodels==0.15.0 nltk==3.10.4 krippendorff==0.9.0

cat > "$folder/see.py" <<'PYTHON'
import krippendorff
import numpy as np
from nltk.metrics.agreement import AnnotationTask
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

said = {"eva": "yynynyynny", "tom": "yynynyynny", "ida": "yyny------"}
spelt = {"y": 1.0, "n": 0.0, "-": np.nan}
values = np.array([[spelt[letter] for letter in letters] for letters in said.values()])

alpha = krippendorff.alpha(values, level_of_measurement="nominal")
print("krippendorff alpha:", alpha)

counts, categories = aggregate_raters(values.T)
kappa = fleiss_kappa(counts)
print(f"statsmodels: categories {categories.tolist()}, Fleiss' kappa {kappa:.3f}")
try:
    fleiss_kappa(counts[:, :2])
    refused = None
except AssertionError as error:
    refused = str(error)
print("statsmodels without the category of NaN: AssertionError", repr(refused))

rows = [(who, item, letter) for who, letters in said.items() for item, letter in enumerate(letters) if letter != "-"]
ended = {}
for name in ("alpha", "kappa", "multi_kappa", "pi", "S"):
    try:
        ended[name] = getattr(AnnotationTask(rows), name)()
    except RuntimeError as error:
        ended[name] = str(error)
print("nltk:", ended)

assert alpha == 1
assert categories[:2].tolist() == [0, 1] and np.isnan(categories[2])
assert 0.354 < kappa < 0.356, kappa
assert refused == ""
assert ended.pop("alpha") == 1
assert set(ended.values()) == {"generator raised StopIteration"}
PYTHON
"$folder/venv/bin/python" "$folder/see.py"
