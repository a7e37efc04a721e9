"""Thumbnails of a photograph: stored in the caller's bucket, streamed, or made by a fresh process."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageFilter

from workerkit import Bucket, worker_function

PHOTO = Path(__file__).with_name("lighthouse.jpg")


@worker_function
def thumbnail(job, bucket: Bucket):
    """Clean the photo, shrink it, and store it in the bucket that the request's `s3Config` opens."""
    width, passes = job["input"].get("width", 320), job["input"].get("passes", 1)
    with Image.open(PHOTO) as photo:
        image = photo.copy()
    for done in range(passes):
        job.progress(
            {"step": f"removing noise, pass {done + 1} of {passes}", "percent": 100 * done // passes}
        )
        image = image.filter(ImageFilter.MedianFilter(5))
    small = shrink(image, width)
    key = f"thumbnails/lighthouse-{width}.jpg"
    with bucket.open(key, "wb") as file:
        file.write(small)
    return {"key": key, "width": width, "bytes": len(small)}


@worker_function
def sizes(job) -> Iterator[dict[str, int]]:
    """The photo in several widths; each chunk is sent while the next is being made."""
    with Image.open(PHOTO) as photo:
        for width in job["input"].get("widths", [640, 320, 160]):
            yield {"width": width, "bytes": len(shrink(photo, width))}


@worker_function
def once(job):
    """Which process did this job; it asks to be replaced, as a library that leaks memory would need."""
    return {"pid": os.getpid(), "refresh_worker": True}


def shrink(image: Image.Image, width: int) -> bytes:
    """The image as a JPEG of that width."""
    height = round(image.height * width / image.width)
    buffer = io.BytesIO()
    image.resize((width, height), Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
