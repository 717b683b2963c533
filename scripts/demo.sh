#!/bin/sh
# Shows the whole loop on this machine, offline: a model answers, a larger one is timed beside what memory allows, its
# trace is read, and the kernels for what it called are proved and ranked. Its files stay in build/demo.
set -eu
exec 3>&1  # what is shown while a command's own output goes elsewhere
cd "$(dirname "$0")/.."
assay=${DEMO_ASSAY:-build/assay}
folder=${DEMO_FOLDER:-build/demo}
shape=${DEMO_SHAPE:-qwen2.5-0.5b}
probe_more=${DEMO_PROBE:-}

model=$folder/$shape-q8_0.gguf
trace=$folder/run.jsonl
specs=$folder/specs.json
step=0

trap '{ echo; echo "demo: stopped; what was made is in $folder, and make demo goes on from there"; } >&3; exit 130' INT TERM

say() { printf '%s\n' "$@"; }
title() {
  step=$((step + 1))
  printf '\n== %s. %s\n' "$step" "$1"
}
# Shows the command as one would type it, and runs it. 130 is Ctrl-C, whoever got it.
show() {
  line="$"
  for word in "$@"; do
    case $word in
      *[!A-Za-z0-9_./:=,-]*) line="$line \"$word\"" ;;
      *) line="$line $word" ;;
    esac
  done
  echo "$line" >&3
  status=0
  "$@" || status=$?
  [ "$status" -ne 130 ] || kill -INT $$
  return "$status"
}

mkdir -p "$folder"
say "The demo of assay: five steps, a few minutes, no network. Each command can be typed again as it stands."

title "A model answers"
say "demo/assay-demo-q8_0.gguf has 2.4 million weights and was trained by demo/train.py on questions about assay and on" \
  "sentences of a small grammar. Every product, norm and attention below runs in a kernel that assay probe proves."
for question in "What does assay do?" "How do I tune a model?" \
  "The old dog finds a green hat in the barn. Where is the hat?" "What is 9 plus 8?"; do
  show "$assay" run demo/assay-demo-q8_0.gguf --quiet -p "$question"
done
say "It is right offline and the same each time. A broken kernel would make nonsense of it."

title "A larger model's speed, beside what memory allows"
say "A file in the shape of $shape, weights drawn: it talks nonsense at its real speed. For each token all weights are" \
  "read once, so the memory's read rate is the limit: the last column says how near to it decoding comes."
if [ ! -s "$model" ]; then
  free=$(df -Pk "$folder" | awk 'NR == 2 { print int($4 / 1024) }')
  if [ "$free" -lt 1000 ]; then
    echo "demo: $folder needs 1000 MB, and $free MB are free there; set DEMO_FOLDER to a folder with more room" >&2
    exit 2
  fi
  show "$assay" synth --shape "$shape" --type q8_0 --out "$model"
fi
show "$assay" devices >"$folder/devices.txt"
grep -E '^  (ceiling|read [0-9]+ MB)|^  multiply' "$folder/devices.txt" || true
show "$assay" bench "$model" -p 64 -n 32 -r 3

title "A run leaves a trace"
say "Each op of the run is an event with its spec, its kernel and its time. (The text is nonsense: it goes to a file.)"
show "$assay" run "$model" --raw -p "Once upon a time" -n 32 --trace "$trace" >"$folder/nonsense.txt"
say "$trace: $(wc -l <"$trace") events"

title "Where the time of that run went"
say "The sum of all parts is the time that was seen. 'To win' is what kernels at the memory's limit would still save."
show "$assay" analyze --summary --ceiling cpu:0 "$trace"

title "The specs of that trace, probed"
say "What the run called becomes a workload; each of its products is computed by every kernel that can, checked against" \
  "double precision, timed only if it is right, and ranked beside the floor that memory sets."
show "$assay" analyze --hot 3 --specs-out "$specs" "$trace" >/dev/null
status=0
[ -t 1 ] || probe_more="--quiet $probe_more"
# shellcheck disable=SC2086
show "$assay" probe --specs "$specs" --store "$folder/results.sqlite" $probe_more || status=$?
[ "$status" -le 1 ] || exit "$status"

say "" "That was the loop: run a model, read its trace, probe its specs. assay tune closes it: the winners become the table" \
  "that assay run reads. All files are in $folder. Read on: README.md, docs/engine.md, docs/measuring.md."
