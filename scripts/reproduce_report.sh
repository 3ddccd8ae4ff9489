#!/usr/bin/env bash
# Run all experiments of the report, and write a page that compares them with it: outputs/report/report.html.
# After an interruption it can be started again and continues. With QUICK=1 it runs a scaled version that takes half an
# hour on two cores. Arguments are passed to every training.
#   QUICK=1 scripts/reproduce_report.sh
#   scripts/reproduce_report.sh launcher=slurm launcher.gpus=1
set -uo pipefail
cd "$(dirname "$0")/.."
[ -d .venv/bin ] && PATH="$PWD/.venv/bin:$PATH"
scores="metrics=[loss_terms,fid,label_distribution]"
if [ "${QUICK:-0}" = 1 ]; then
  out=${OUT:-outputs/report-quick}
  cnn="epochs=5" dense="epochs=5,12" noise="epochs=5"
  weights="epochs=5 dataset.limit=20000 k1=0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1"
  as_run="epochs=5 latent_dim=4,16,128"
  set -- launcher=joblib "$@"  # on a CPU, a short run uses only one core most of the time
else
  out=${OUT:-outputs/report}
  cnn="" dense="" noise="" weights="" as_run=""
fi
failed=0
run() { # arguments: folder, experiment, words of the command. Runs one sweep, of one job if nothing varies.
  local folder=$1 experiment=$2
  shift 2
  echo
  echo "== $folder"
  vae-lab train -m "experiment=report/$experiment" "hydra.sweep.dir=$out/$folder" logger=none "$@" || failed=1
}
draw() { # arguments: folder of a run, figures, further words. Draws figures of a finished run unless they exist.
  local folder=$1 figure=$2
  shift 2
  [ -f "$out/$folder/figures/$figure.png" ] || vae-lab evaluate "run=$out/$folder" "figures=$figure" "$@" || failed=1
}
started=$SECONDS
# shellcheck disable=SC2086  # variables that hold several words must be split
{
run latent_dim latent_dim "$scores" figures=none $cnn "$@"
run latent_dim_as_run latent_dim_as_run "$scores" figures=none $cnn $as_run "$@"
run loss_weights loss_weights "$scores" figures=none $weights "$@"
run dense_epochs dense_epochs "$scores" figures=none $dense "$@"
run dense_noise dense_noise "$scores" figures=none $noise "$@"
run robustness robustness $cnn "$@"
run generate generate $cnn "$@"
}
dense_run=$(basename "$(ls -d "$out"/dense_epochs/epochs-* | sort -V | head -1)")
draw latent_dim/latent_dim-16 reconstructions metrics=none
draw "dense_epochs/$dense_run" reconstructions metrics=none
draw latent_dim/latent_dim-256 latent_space metrics=probe
draw loss_weights/k1-0.5 latent_space metrics=none
draw generate/run label_shares metrics=none
[ -d "$out/generate/run/samples" ] || vae-lab sample "run=$out/generate/run" n=1024 || failed=1
python scripts/report_page "$out" || failed=1
echo "$(((SECONDS - started) / 60)) minutes in all"
exit $failed
