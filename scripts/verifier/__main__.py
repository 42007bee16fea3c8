"""Command line: `python -m scripts.verifier train|average|export|calibrate|measure|time|streams` (the model card)."""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path

from scripts.verifier import network
from scripts.verifier.generate import Recipe, make
from scripts.verifier.train import Schedule, train

from synapse_cache.adapters.verifier_encoding import Encoder
from synapse_cache.adapters.verifier_onnx import FOLDER


def _train(args: argparse.Namespace) -> None:
    recipe = Recipe(args.pairs, args.seed, frozenset(filter(None, args.without.split(","))), held=not args.everything)
    pairs = make(recipe, args.data)
    print(f"{len(pairs)} pairs, {sum(pair.label for pair in pairs)} repeats", flush=True)
    schedule = Schedule(
        layers=args.layers, batch=args.batch, rate=args.rate, seed=args.seed, threads=args.threads,
        halves=not args.fp32, max_seconds=args.max_seconds, pause=args.pause,
    )  # fmt: skip
    encoder = Encoder(args.minilm / "tokenizer.json", aligned=not args.unaligned)
    minilm = args.minilm / "model.safetensors"
    start = network.restore(args.start, minilm) if args.start else None
    args.out.parent.mkdir(parents=True, exist_ok=True)
    weights = train(pairs, encoder, minilm, schedule, start=start, checkpoint=args.out)
    network.save(weights, args.out)


def _export(args: argparse.Namespace) -> None:
    from scripts.verifier.export import Precision, export

    size = export(args.trained, args.minilm / "model.safetensors", args.out, Precision(args.precision))
    print(f"{args.out}: {size / 1e6:.1f} MB")


def _average(args: argparse.Namespace) -> None:
    minilm = args.minilm / "model.safetensors"
    one, other = network.restore(args.one, minilm), network.restore(args.other, minilm)
    network.save(network.average(one, other, args.share), args.out)


def _calibrate(args: argparse.Namespace) -> None:
    from scripts.verifier import calibrate

    from synapse_cache.adapters.verifier_onnx import OnnxVerifier

    found = calibrate.sources(args.quality, cache(OnnxVerifier(args.folder).logit))
    calibration = calibrate.fit(found)
    calibrate.show(found, calibration)
    calibrate.write(calibration, args.folder / "calibration.json")
    for name in ("minimal", "advising", "fow_pairs", "checklist_qqp"):
        print(f"\nfitted without {name}, on {name}:")
        without = calibrate.fit(found, without=name)
        calibrate.show({key: pairs for key, pairs in found.items() if key.startswith(name)}, without)


def _measure(args: argparse.Namespace) -> None:
    from scripts.verifier.measure import measure
    from scripts.verifier.scored import pair_sets

    from synapse_cache.adapters.verifier_onnx import OnnxVerifier
    from synapse_cache.decision import Calibration

    sets = pair_sets(args.quality, OnnxVerifier(args.folder).logit)
    measure(sets, Calibration.read(args.folder / "calibration.json"), args.report)


def _streams(args: argparse.Namespace) -> None:
    from scripts.verifier.streams import judge

    judge(
        args.quality, args.folder, seeds=args.seeds, audits=args.audits, everything=args.everything, report=args.report
    )


def _time(args: argparse.Namespace) -> None:
    from scripts.verifier.timing import show

    show(args.quality, args.folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="verifier", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("train", help="make pairs and train on them")
    command.add_argument("--minilm", type=Path, required=True, help="folder of model.safetensors and tokenizer.json")
    command.add_argument("--data", type=Path, help="folder of the permissive sets; without it only synthetic pairs")
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--pairs", type=int, default=150_000)
    command.add_argument("--layers", type=int, default=6)
    command.add_argument("--batch", type=int, default=64)
    command.add_argument("--rate", type=float, default=1.2e-4)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--threads", type=int, default=1)
    command.add_argument("--max-seconds", type=float, default=float("inf"), help="stop then, at a finished schedule")
    command.add_argument("--start", type=Path, help="go on from weights that an earlier run wrote")
    command.add_argument("--without", default="", help="families to leave out, by comma")
    command.add_argument("--everything", action="store_true", help="train on the groups held out for measuring, too")
    command.add_argument("--unaligned", action="store_true", help="no alignment marks")
    command.add_argument("--fp32", action="store_true", help="no bfloat16")
    command.add_argument("--pause", type=Path, help="wait while this file exists")
    command.set_defaults(run=_train)
    command = commands.add_parser("average", help="the mean of two trained models, of which one began at the other")
    command.add_argument("one", type=Path)
    command.add_argument("other", type=Path)
    command.add_argument("--share", type=float, default=0.6, help="weight of the other")
    command.add_argument("--minilm", type=Path, required=True)
    command.add_argument("--out", type=Path, required=True)
    command.set_defaults(run=_average)
    command = commands.add_parser("export", help="write a trained model as ONNX")
    command.add_argument("--minilm", type=Path, required=True)
    command.add_argument("--trained", type=Path, required=True)
    command.add_argument("--precision", default="stored", help="fp32, stored or dynamic")
    command.add_argument("--out", type=Path, required=True)
    command.set_defaults(run=_export)
    for name, run, what in (
        ("calibrate", _calibrate, "fit calibration.json for verifier.onnx, on groups that no training saw"),
        ("measure", _measure, "recall on the yardstick's pairs"),
        ("time", _time, "CPU time of decisions on the yardstick's streams"),
        ("streams", _streams, "closed-loop replays of the yardstick's streams at several budgets"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("--quality", type=Path, required=True, help="folder of the yardsticks and their data")
        command.add_argument("--folder", type=Path, default=FOLDER, help="folder of verifier.onnx and its calibration")
        command.add_argument("--report", type=Path, help="JSON file")
        command.add_argument("--seeds", type=int, default=5)
        command.add_argument("--audits", type=float, default=0.02, help="share of hits that are audited")
        command.add_argument("--everything", action="store_true", help="whole dev halves, seen in training or not")
        command.set_defaults(run=run)
    return parser


def main() -> None:
    """Run the command that was asked for."""
    args = _parser().parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
