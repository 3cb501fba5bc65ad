"""Arrays as files that other programs open: PNG, GIF, WAV, PLY, NPY, tab-separated tables.

Arrays are whatever numpy takes, or tensors of torch on any device. All of this needs numpy; PNG and
GIF need Pillow, too.
"""

from __future__ import annotations

import io
import math
import wave
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Sequence

_BOX_COLOR = "red"
#: Frames and images are spread on a grid of so many columns.
_GRID_COLUMNS = 8


def array(values: Any) -> Any:
    """Takes a tensor or what else numpy takes to a numpy array in this process's memory."""
    import numpy

    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if str(values.dtype) in ("torch.bfloat16", "torch.float8_e4m3fn", "torch.float8_e5m2"):
            values = values.float()  # types that numpy has not
        values = values.resolve_conj().resolve_neg().numpy()
    return numpy.asarray(values)


def images(values: Any, dataformats: str) -> Any:
    """Lays pixels out as `[N, H, W, C]` uint8.

    - values: uint8 from 0 to 255, or else from 0 to 1; what is beyond is cut
    - dataformats: what the axes are, of the letters N, H, W and C in any order

    Raises ValueError if there are not as many axes as letters.
    """
    import numpy

    values = array(values)
    axes = dataformats.upper()
    if len(axes) != values.ndim or len(set(axes)) != len(axes) or not set("HW") <= set(axes):
        raise ValueError(f"dataformats {dataformats!r} does not fit the shape {values.shape}")
    for missing in "NC":
        if missing not in axes:
            values, axes = values[..., None], axes + missing
    values = values.transpose([axes.index(axis) for axis in "NHWC"])
    if values.dtype == numpy.uint8:
        return values
    scaled = numpy.nan_to_num(values.astype(numpy.float32)) * 255
    return scaled.clip(0, 255).astype(numpy.uint8)


def grid(values: Any, columns: int = _GRID_COLUMNS) -> Any:
    """Puts `[N, H, W, C]` side by side, row by row, in one `[H', W', C]`."""
    import numpy

    count, height, width, channels = values.shape
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    whole = numpy.zeros((rows * columns, height, width, channels), values.dtype)
    whole[:count] = values
    whole = whole.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    return whole.reshape(rows * height, columns * width, channels)


def picture(pixels: Any) -> Any:
    """Takes `[H, W, C]` uint8 to an image of Pillow; C is 1, 2, 3 or 4."""
    from PIL import Image

    if pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    return Image.fromarray(pixels)


def png(
    pixels: Any,
    rescale: float = 1,
    boxes: Any = None,
    labels: Sequence[str] | None = None,
) -> bytes:
    """Writes `[H, W, C]` uint8 as PNG.

    - boxes: `[N, 4]` of left, top, right, bottom in pixels
    - labels: `[N]`, what to write at each
    """
    from PIL import ImageDraw

    image = picture(pixels)
    if boxes is not None:
        image = image.convert("RGB")
        pen = ImageDraw.Draw(image)
        for at, (left, top, right, bottom) in enumerate(array(boxes).reshape(-1, 4).tolist()):
            corners = [min(left, right), min(top, bottom), max(left, right), max(top, bottom)]
            pen.rectangle(corners, outline=_BOX_COLOR, width=2)
            if labels is not None:
                pen.text((corners[0] + 3, corners[1] + 3), str(labels[at]), fill=_BOX_COLOR)
    if rescale != 1:
        size = (max(1, int(image.width * rescale)), max(1, int(image.height * rescale)))
        image = image.resize(size)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def gif(values: Any, fps: float, dataformats: str) -> bytes:
    """Writes videos as one GIF that repeats; a batch is spread on a grid.

    - values: as those of `images`, with the axis T
    - fps: frames a second
    """
    import numpy

    values = array(values)
    axes = dataformats.upper()
    if len(axes) != values.ndim or "T" not in axes:
        raise ValueError(f"dataformats {dataformats!r} does not fit the shape {values.shape}")
    frames = numpy.moveaxis(values, axes.index("T"), 0)
    rest = axes.replace("T", "")
    shown = [picture(grid(images(frame, rest))).convert("RGB") for frame in frames]
    out = io.BytesIO()
    milliseconds = max(1, round(1_000 / fps))
    shown[0].save(
        out, "GIF", save_all=True, append_images=shown[1:], duration=milliseconds, loop=0
    )
    return out.getvalue()


def wav(values: Any, sample_rate: int) -> tuple[bytes, bool]:
    """Writes sound as WAV of 16 bits; tells whether amplitudes beyond 1 were cut.

    - values: `[samples]`, `[1, samples]` or `[channels, samples]`, from -1 to 1
    - sample_rate: in Hz
    """
    import numpy

    values = numpy.atleast_2d(array(values).squeeze()).astype(numpy.float64)
    if values.ndim != 2:
        raise ValueError(f"sound wants [channels, samples], has the shape {values.shape}")
    if values.shape[0] > values.shape[1]:
        values = values.T
    is_cut = bool((numpy.abs(values) > 1).any())
    whole = (values.clip(-1, 1) * numpy.iinfo(numpy.int16).max).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(whole.shape[0])
        file.setsampwidth(2)
        file.setframerate(int(sample_rate))
        file.writeframes(whole.T.tobytes())
    return out.getvalue(), is_cut


def npy(values: Any) -> bytes:
    """Writes an array as NPY, which `numpy.load` reads."""
    import numpy

    out = io.BytesIO()
    numpy.save(out, array(values), allow_pickle=False)
    return out.getvalue()


def ply(vertices: Any, colors: Any = None, faces: Any = None) -> bytes:
    """Writes one mesh or cloud of points as PLY.

    - vertices: `[N, 3]`
    - colors: `[N, 3]`, from 0 to 255, or from 0 to 1 if they are floats
    - faces: `[M, 3]` of vertices
    """
    import numpy

    vertices = array(vertices)
    columns = [[f"{x:.9g}" for x in row] for row in vertices.tolist()]
    head = ["ply", "format ascii 1.0", f"element vertex {len(vertices)}"]
    head += [f"property float {axis}" for axis in "xyz"]
    if colors is not None:
        colors = array(colors)
        if colors.dtype.kind == "f":
            colors = colors * 255
        colors = colors.clip(0, 255).astype(numpy.uint8)
        columns = [row + list(map(str, tint)) for row, tint in zip(columns, colors.tolist())]
        head += [f"property uchar {name}" for name in ("red", "green", "blue")]
    rows = [" ".join(row) for row in columns]
    if faces is not None:
        faces = array(faces).astype(int).tolist()
        head += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
        rows += [" ".join(map(str, [len(face), *face])) for face in faces]
    return ("\n".join([*head, "end_header", *rows]) + "\n").encode()


def table(rows: Iterable[Iterable[Any]], separator: str = "\t") -> bytes:
    """Writes rows as lines of text; blanks that would break a row become a space."""

    def cell(value: Any) -> str:
        return " ".join(str(value).split(separator)).replace("\n", " ")

    lines = [separator.join(cell(value) for value in row) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def sprite(values: Any) -> Any:
    """Puts `[N, C, H, W]` on one square, as the projector of TensorBoard wants them."""
    import numpy

    pixels = images(values, "NCHW")
    whole = grid(pixels, math.ceil(math.sqrt(len(pixels))))
    side = max(whole.shape[:2])
    square = numpy.zeros((side, side, whole.shape[-1]), numpy.uint8)
    square[: whole.shape[0], : whole.shape[1]] = whole
    return square


def distribution(values: Any) -> dict[str, float]:
    """What ten numbers can say of many: see `SummaryWriter.add_histogram`."""
    import numpy

    values = array(values).astype(numpy.float64).reshape(-1)
    finite = values[numpy.isfinite(values)]
    told: dict[str, float] = {"count": values.size}
    if finite.size < values.size:
        told["nonfinite"] = values.size - finite.size
    if finite.size == 0:
        return told
    low, p05, p25, p50, p75, p95, high = numpy.quantile(finite, [0, *_QUANTILES, 1])
    told.update(min=low, p05=p05, p25=p25, p50=p50, p75=p75, p95=p95, max=high)
    told.update(mean=finite.mean(), std=finite.std())
    return told


_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def distribution_of_buckets(
    low: float,
    high: float,
    count: float,
    total: float,
    squares: float,
    limits: Any,
    counts: Any,
) -> dict[str, float]:
    """The same of a histogram; within a bucket values are taken as spread evenly.

    - total, squares: sums of the values and of their squares
    - limits, counts: `[buckets]`, the upper end of each and how many it has
    """
    import numpy

    told: dict[str, float] = {"count": float(count)}
    if not count:
        return told
    mean = float(total) / float(count)
    std = math.sqrt(max(0.0, float(squares) / float(count) - mean * mean))
    told.update(min=float(low), max=float(high), mean=mean, std=std)
    counts = array(counts).astype(numpy.float64)
    ends = array(limits).astype(numpy.float64).clip(float(low), float(high))
    if counts.sum() > 0:
        share = numpy.concatenate([[0.0], counts.cumsum() / counts.sum()])
        ends = numpy.concatenate([[float(low)], ends])
        for share_wanted in _QUANTILES:
            name = f"p{round(share_wanted * 100):02}"
            told[name] = float(numpy.interp(share_wanted, share, ends))
    return told


def pr_curve(labels: Any, predictions: Any, thresholds: int, weights: Any = None) -> list[Any]:
    """Counts what is right and wrong from each threshold on.

    - labels: truths, of any shape; predictions: of the same shape, from 0 to 1
    - thresholds: so many, evenly from 0 to 1
    - returns: true and false positives, true and false negatives, precision, recall: each
      `[thresholds]`
    """
    import numpy

    truths = array(labels).astype(numpy.float64).reshape(-1)
    shares = array(predictions).astype(numpy.float64).reshape(-1)
    weighed = numpy.ones_like(truths)
    if weights is not None:
        weighed = numpy.broadcast_to(array(weights), array(labels).shape).reshape(-1)
    bucket = numpy.floor(shares * (thresholds - 1)).astype(int).clip(0, thresholds - 1)

    def from_each_on(of: Any) -> Any:
        return numpy.bincount(bucket, of * weighed, thresholds)[::-1].cumsum()[::-1]

    hits, misses = from_each_on(truths), from_each_on(1 - truths)
    rejected, lost = misses[0] - misses, hits[0] - hits
    precision = hits / numpy.maximum(1e-7, hits + misses)
    recall = hits / numpy.maximum(1e-7, hits + lost)
    return [hits, misses, rejected, lost, precision, recall]
