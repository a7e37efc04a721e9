"""Uploads beside boto3 and RunPod's `rp_upload`, to the same server in the same minute, in turns.

    python benchmarks/s3.py [--rounds N] [--quick] [--json FILE] [--server weed]
    python benchmarks/s3.py --config s3.json        a bucket anywhere, by the s3Config in the file

Every upload is made by a process of its own, which has connected and stored a small object before.
Told are seconds, seconds of the client's processor, and how much memory the client had at most above
what it had before. boto3 and `rp_upload` are used as their documentation shows them.
For many small files choose weed: rclone takes longer, the more of them a folder has.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import attrs
from rich import box
from rich.console import Console
from rich.table import Table

from workerkit import Job, Secret
from workerkit.guard import Guard
from workerkit_plugins.s3.bucket import S3Bucket
from workerkit_plugins.s3.client import Clients
from workerkit_plugins.s3.config import S3Config

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from s3_servers import SERVERS

MIB = 1 << 20
#: Where objects of many files go; `rp_upload` puts them there by itself.
FOLDER = "bench"
Config = dict[str, str]
#: What stores one large file, or many small ones.
Upload = Callable[[Path], object]


@attrs.frozen
class Figures:
    """Of one upload."""

    seconds: float
    processor: float
    #: Bytes above what the process had before.
    memory: int


def boto3_client(config: Config) -> Any:
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=config["endpointUrl"],
        aws_access_key_id=config["accessId"],
        aws_secret_access_key=config["accessSecret"],
        region_name=config.get("region", "us-east-1"),
    )


def bucket(config: Config) -> S3Bucket:
    typed = S3Config(**{**config, "accessSecret": Secret(config["accessSecret"])})
    return S3Bucket(Job(id="bench", endpoint="e", input=None), typed, Clients(), Guard(loopback=True))


def boto3_upload_file(config: Config) -> Upload:
    client = boto3_client(config)
    return lambda path: client.upload_file(str(path), config["bucketName"], path.name)


def runpod_rp_upload(config: Config) -> Upload:
    from runpod.serverless.utils import rp_upload

    return lambda path: rp_upload.upload_file_to_bucket(
        path.name, str(path), bucket_creds=config, bucket_name=config["bucketName"]
    )


def ours_upload(config: Config) -> Upload:
    ours = bucket(config)
    return lambda path: ours.upload(path, path.name)


def ours_upload_of_a_file(config: Config) -> Upload:
    ours = bucket(config)

    def upload(path: Path) -> None:
        with path.open("rb") as file:
            ours.upload(file, path.name)

    return upload


def ours_open(config: Config) -> Upload:
    ours = bucket(config)

    def upload(path: Path) -> None:
        with path.open("rb") as source, ours.open(path.name, "wb") as target:
            while block := source.read(MIB):
                target.write(block)

    return upload


def boto3_put_object(config: Config) -> Upload:
    client = boto3_client(config)

    def upload(path: Path) -> None:
        for each in files(path):
            client.put_object(
                Bucket=config["bucketName"], Key=f"{FOLDER}/{each.name}", Body=each.read_bytes()
            )

    return upload


def runpod_bucket_upload(config: Config) -> Upload:
    from runpod.serverless.utils import rp_upload

    def upload(path: Path) -> None:
        chosen = files(path)
        os.chdir(chosen[0].parent)  # its keys are the paths
        rp_upload.bucket_upload(FOLDER, [each.name for each in chosen], config)

    return upload


def ours_upload_many(config: Config) -> Upload:
    ours = bucket(config)
    return lambda path: ours.upload_many({f"{FOLDER}/{each.name}": each for each in files(path)})


LARGE = {
    "boto3.upload_file": boto3_upload_file,
    "runpod rp_upload": runpod_rp_upload,
    "workerkit upload(path)": ours_upload,
    "workerkit upload(file)": ours_upload_of_a_file,
    "workerkit open()": ours_open,
}
MANY = {
    "boto3 put_object, one thread": boto3_put_object,
    "runpod bucket_upload": runpod_bucket_upload,
    "workerkit upload_many": ours_upload_many,
}


def files(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if path.is_dir() else [path]


def upload(
    told: Connection, make: Callable[[Config], Upload], config: Config, small: Path, path: Path
) -> None:
    """In a process of its own."""
    with open(os.devnull, "w") as nothing, contextlib.redirect_stderr(nothing):
        act = make(config)
        act(small)
        before, used = memory(), resource.getrusage(resource.RUSAGE_SELF)
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        began = time.perf_counter()
        act(path)
        seconds = time.perf_counter() - began
    now = resource.getrusage(resource.RUSAGE_SELF)
    processor = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    told.send(Figures(seconds, processor, memory("VmHWM") - before))


def memory(what: str = "VmRSS") -> int:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what)]
    return int(line.split()[1]) * 1024


def measured(make: Callable[[Config], Upload], config: Config, small: Path, path: Path) -> Figures:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=upload, args=(theirs, make, config, small, path))
    process.start()
    theirs.close()
    try:
        figures: Figures = ours.recv()
        return figures
    except EOFError:
        raise SystemExit(f"{make.__name__} failed") from None
    finally:
        process.join()


@contextlib.contextmanager
def serving(folder: Path, options: argparse.Namespace) -> Iterator[Config]:
    if options.config is not None:
        yield json.loads(options.config.read_text())
        return
    folder.mkdir()
    with SERVERS[options.server](folder) as server:
        yield server.config("bench")


def filled(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        for begin in range(0, size, MIB):
            file.write(os.urandom(min(MIB, size - begin)))
    return path


def measure(options: argparse.Namespace) -> dict[str, dict[str, list[Figures]]]:
    """Figures by what is stored, then by who stores it; one per round."""
    found: dict[str, dict[str, list[Figures]]] = {}
    with tempfile.TemporaryDirectory(prefix="workerkit-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        config = stack.enter_context(serving(folder / "server", options))
        small, large, many = filled(folder / "small", 1000), folder / "large", folder / "many"
        filled(large, options.mib * MIB)
        many.mkdir()
        for number in range(options.files):
            filled(many / f"{number:05}", options.bytes)
        work = {
            f"one file of {options.mib} MiB": (LARGE, large),
            f"{options.files:,} files of {options.bytes:,} bytes": (MANY, many),
        }
        for what, (ways, path) in work.items():
            for number in range(options.rounds):
                for way in list(ways)[:: -1 if number % 2 else 1]:
                    figures = measured(ways[way], config, small, path)
                    found.setdefault(what, {each: [] for each in ways})[way].append(figures)
    return found


def show(found: dict[str, dict[str, list[Figures]]], rounds: int) -> None:
    for what, ways in found.items():
        table = Table(box=box.MARKDOWN, title=f"{what}: medians of {rounds} rounds (fastest to slowest)")
        for heading in ("", "seconds", "of boto3", "processor, s", "of boto3", "memory, MiB"):
            table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
        theirs = next(iter(ways.values()))
        for way, figures in ways.items():
            seconds, processor, most = columns(figures)
            table.add_row(
                way,
                f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})",
                f"{statistics.median(seconds) / statistics.median(columns(theirs)[0]):.2f}",
                f"{statistics.median(processor):.2f}",
                f"{statistics.median(processor) / statistics.median(columns(theirs)[1]):.2f}",
                f"{max(most) / MIB:.0f}",
            )
        Console(width=120).print(table)


def columns(figures: list[Figures]) -> tuple[list[float], list[float], list[int]]:
    seconds, processor, most = zip(*(attrs.astuple(each) for each in figures), strict=True)
    return list(seconds), list(processor), list(most)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=256, help="of the large file")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--bytes", type=int, default=4096, help="of each of the files")
    parser.add_argument("--quick", action="store_true", help="one round of 64 MiB and 1,000 files")
    parser.add_argument("--server", choices=SERVERS, default="rclone", help="what is started here")
    parser.add_argument("--config", type=Path, help="an s3Config, for a server that is not started here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure of every round here")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.mib, options.files = 1, 64, 1000
    found = measure(options)
    show(found, options.rounds)
    if options.json:
        options.json.write_text(json.dumps(found, default=attrs.asdict, indent=2) + "\n")


if __name__ == "__main__":
    main()
