"""Operations and bytes of one forward pass by part of the model, counted without computing anything.

Operations are the floating-point ones of convolutions and matrix products, attention's included. Bytes are
what a part must move if nothing between its layers leaves the chip: inputs and weights read once, outputs
written once. The cost volume's are those of its body, which multiplies every column of a row with every
other.

"least us" is the longer of the two times, at the rates that are given: by default those of an H200's data
sheet, which no program reaches. gpu_speed.py measures what a device reaches, and the parts on it.

Run: python benchmarks/work_by_part.py
"""

import argparse
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from ceilings import TYPES, part_floor
from model_parts import SIZES, count_work
from recording import Found, Record, argument_parser, missing, print_table, size_argument, size_text

LEAST_SHARE: Final = 0.01
"""Parts of less of the time are printed as one; the record holds all."""


def main() -> None:
    arguments = parse_arguments()
    about = {"model": arguments.model, "precision": arguments.precision}
    with Record(arguments, show, **about, work=[]) as record:
        for size in arguments.sizes:
            found: Found = {"size": size}
            with record.attempt(heading(record.results, found), found, record.results["work"]):
                found |= count(size, arguments)


def show(results: dict[str, Any]) -> None:
    for found in results["work"]:
        if not missing(found):
            print_work(heading(results, found), found["parts"])


def heading(results: dict[str, Any], found: Found) -> str:
    return f"{results['model']} {size_text(found['size'])} {results['precision']}"


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--model", default="vits16", help="(default: %(default)s)")
    parser.add_argument("--precision", choices=TYPES, default="bf16", help="(default: %(default)s)")
    parser.add_argument("--sizes", nargs="+", type=size_argument, default=SIZES, metavar="HxW")
    parser.add_argument("--tflops", type=float, default=989.0, help="1e12 operations a second (%(default)s)")
    parser.add_argument("--bandwidth", type=float, default=4.8, help="1e12 bytes a second (%(default)s)")
    return parser.parse_args()


def count(size: tuple[int, int], arguments: argparse.Namespace) -> dict[str, Any]:
    ceilings = {arguments.precision: 1e12 * arguments.tflops, "bandwidth": 1e12 * arguments.bandwidth}
    parts: dict[str, dict[str, Any]] = count_work(arguments.model, size, TYPES[arguments.precision])
    for part in parts.values():
        part["least_microseconds"] = round(1e6 * part_floor(part, arguments.precision, ceilings), 1)
    return {"parts": parts}


def print_work(title: str, parts: dict[str, dict[str, Any]]) -> None:
    total = add_up(parts.values())
    shown = {
        name: part
        for name, part in parts.items()
        if part["least_microseconds"] > LEAST_SHARE * total["least_microseconds"]
    }
    others = add_up(part for name, part in parts.items() if name not in shown)
    print_table(
        (title, "GFLOP", "share", "MB", "FLOP per byte", "least us"),
        [
            (
                name,
                f"{part['operations'] / 1e9:.0f}",
                f"{part['operations'] / total['operations']:.1%}",
                f"{part['bytes'] / 1e6:.0f}",
                f"{part['operations'] / part['bytes']:.0f}",
                f"{part['least_microseconds']:.0f}",
            )
            for name, part in [*shown.items(), ("all others", others), ("all", total)]
        ],
    )


def add_up(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    added: Counter[str] = Counter()
    for part in parts:
        added.update(part)
    return added


if __name__ == "__main__":
    main()
