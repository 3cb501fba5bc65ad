"""``SummaryWriter`` with the interface of torch's, which logs to a run.

One changed import moves a project over::

    from tracker.integrations.tensorboard import SummaryWriter

    with SummaryWriter("runs/first") as writer:
        writer.add_hparams({"lr": 0.1}, {})
        for step in range(100):
            writer.add_scalar("train/loss", 1 / (step + 1), step)
            writer.add_image("sample", image, step)

Neither torch nor tensorboard has to be there. What is kept as what:

- scalars: metrics of their tag; those of `add_scalars` are ``main_tag/tag``
- histograms: ten metrics below their tag
- hyper-parameters: params
- images and figures: artifacts ``tag/step.png``; videos ``.gif``, sound ``.wav``, text ``.md``,
  tensors ``.npy``, meshes ``.ply``, precision-recall curves ``.csv``
- embeddings: ``tag/step/tensors.tsv``, ``metadata.tsv`` and ``sprite.png``, as the projector of
  TensorBoard wants them
- graphs: ``graph.txt``, the modules of a model as it prints itself

Without a step a call goes to the one after the last of its tag. Nothing is lost silently and
nothing raises: what cannot be kept is said once by a `tracker.LoggingWarning`.
"""

from __future__ import annotations

import functools
import io
import json
import os
import time
import weakref
from collections.abc import Iterable
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeVar

from tracker import _logging
from tracker import _tracker
from tracker._errors import Error
from tracker._errors import StoreError
from tracker.integrations import _media
from tracker.integrations._sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from tracker._logging import ActiveRun
    from tracker._tracker import Series

__all__ = ["SummaryWriter"]

_Method = TypeVar("_Method", bound="Callable[..., None]")
#: What tells which runs TensorBoard would take for one.
_LOG_DIR_TAG = "log_dir"
_writers: weakref.WeakSet[SummaryWriter] = weakref.WeakSet()


def _harmless(method: _Method) -> _Method:
    """Makes what goes wrong in a method a warning: a training does not end for it."""

    @functools.wraps(method)
    def call(self: SummaryWriter, *args: Any, **kwargs: Any) -> None:
        if not self._sink.is_on:
            return
        try:
            method(self, *args, **kwargs)
        except StoreError as error:
            if self._sink.raises:
                raise
            self._sink.warn(method.__name__, f"{method.__name__}: {error}")
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            self._sink.warn(method.__name__, f"{method.__name__} kept nothing: {what}")

    return call  # type: ignore[return-value]


class SummaryWriter:
    """Logs to the active run or `run`, else to one that it starts, and that `close` ends.

    Writers of several folders (``runs/a/train`` and ``runs/a/val``) each start a run of their own.
    Where a run is active that none of them started, all log to that: give their tags other names.

    - log_dir: its last part names a run that is started; all of it is the tag ``log_dir``. Nothing
      is written there, but the folder is made, for those who save models in it
    - comment: names the run where there is no `log_dir`
    - purge_step: a training that crashed goes on at this step: with the same `log_dir` the last run
      of it is taken up. Points from this step on that it has stay, before the new ones
    - max_queue, flush_secs, filename_suffix: without effect. What was logged survives the death of
      the process when the call returns
    - run: log to this one, and leave it open
    - options: those of `tracker.start_run`, for the run that is started: ``experiment``,
      ``params``, ``tags``, ``store``, ``resume``, …

    ``logdir`` and ``write_to_disk`` are those of tensorboardX; with ``write_to_disk=False`` nothing
    is logged.

    Raises TypeError and ValueError for what `tracker.start_run` would not take, and what that
    raises.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
        *,
        run: ActiveRun | None = None,
        logdir: str | os.PathLike[str] | None = None,
        write_to_disk: bool = True,
        **options: Any,
    ) -> None:
        options.pop("comet_config", None)  # tensorboardX's door to another service
        given = log_dir or logdir
        self._log_dir = os.fspath(given) if given else None
        self._comment = comment
        self.purge_step = purge_step
        self.max_queue = max_queue
        self.flush_secs = flush_secs
        self.filename_suffix = filename_suffix
        self._next_steps: dict[str, int] = {}
        self._names: set[str] = set()
        self._hparams: dict[str, Any] = {}
        self._defaults: dict[str, Any] = {}

        if self._log_dir is not None:
            own_name = os.path.basename(os.path.normpath(self._log_dir))
            if "://" not in self._log_dir:
                os.makedirs(self._log_dir, exist_ok=True)
        else:
            own_name = comment.strip(" _-")
        if own_name and options.get("name") is None:
            options["name"] = own_name
        self._sink = Sink(run, options, write_to_disk)
        other = _other_writer(self) if run is None and write_to_disk else None
        is_free = run is None and (_logging.active_run() is None or other is not None)
        if purge_step is not None and is_free and options.get("resume") is None:
            options["resume"] = self._last_of_log_dir(options.get("store"))
        if other is not None:
            self._sink.start_beside(other)
        # Now, not when something is logged: what is wrong with the store has to be told here.
        if self._sink.run is not None and self._log_dir is not None and self._sink.is_own:
            self._sink.tag(_LOG_DIR_TAG, self._log_dir)
        if purge_step is not None:
            what = f"points from step {purge_step} on that were logged before stay"
            self._sink.warn("purge", f"{what}; those that are logged now come after them")
        _writers.add(self)

    def _last_of_log_dir(self, store: Any) -> str | None:
        """The run that crashed, if there is one."""
        if self._log_dir is None:
            return None
        try:
            runs = _tracker.runs("status != 'running'", [], None, store)
        except Error:
            return None  # no store yet
        matching = (run.id for run in runs if run.tags.get(_LOG_DIR_TAG) == self._log_dir)
        return next(matching, None)

    @property
    def run(self) -> ActiveRun | None:
        """The run that is logged to; None if nothing is."""
        return self._sink.run

    @property
    def log_dir(self) -> str:
        """A folder for what the training itself saves; one is made up if none was given."""
        if self._log_dir is None:
            import socket

            moment = time.strftime("%b%d_%H-%M-%S")
            name = f"{moment}_{socket.gethostname()}{self._comment}"
            self._log_dir = os.path.join("runs", name)
            os.makedirs(self._log_dir, exist_ok=True)
        return self._log_dir

    logdir = log_dir

    def get_logdir(self) -> str:
        """Returns `log_dir`."""
        return self.log_dir

    # Numbers.

    @_harmless
    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
        display_name: str = "",
        summary_description: str = "",
    ) -> None:
        """Logs one number as the metric `tag`.

        - walltime: when it was, in seconds since 1970; now if left out
        - double_precision: all numbers are; `new_style` and the rest have no effect either
        """
        if isinstance(scalar_value, list | tuple) and len(scalar_value) == 1:
            (scalar_value,) = scalar_value
        self._log(tag, {tag: scalar_value}, global_step, walltime)

    @_harmless
    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Logs numbers as the metrics ``main_tag/tag``."""
        values = {f"{main_tag}/{tag}": value for tag, value in tag_scalar_dict.items()}
        self._log(main_tag, values, global_step, walltime)

    @_harmless
    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: Any = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Logs what ten numbers say of many: metrics below `tag`.

        They are ``count``, ``min``, ``p05``, ``p25``, ``p50``, ``p75``, ``p95``, ``max``, ``mean``
        and ``std``, of the values that are finite; if some are not, ``nonfinite`` is how many. The
        quantiles are exact, where TensorBoard guesses them from buckets; buckets are not kept.

        - values: an array or tensor of any shape
        - bins, max_bins: without effect
        """
        self._add_distribution(tag, _media.distribution(values), global_step, walltime)

    @_harmless
    def add_histogram_raw(
        self,
        tag: str,
        min: Any,
        max: Any,
        num: Any,
        sum: Any,
        sum_squares: Any,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Logs the same as `add_histogram`; quantiles are guessed from the buckets."""
        told = _media.distribution_of_buckets(
            min, max, num, sum, sum_squares, bucket_limits, bucket_counts
        )
        self._add_distribution(tag, told, global_step, walltime)

    def _add_distribution(
        self, tag: str, told: dict[str, float], step: Any, walltime: float | None
    ) -> None:
        what = "histograms are kept as metrics (min, mean, quantiles, …), without their buckets"
        self._sink.warn("buckets", what)
        self._log(tag, {f"{tag}/{name}": value for name, value in told.items()}, step, walltime)

    @_harmless
    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any],
        hparam_domain_discrete: Mapping[str, Any] | str | None = None,
        run_name: Any = None,
        global_step: Any = None,
        *,
        name: str | None = None,
    ) -> None:
        """Logs params, and the metrics that they led to.

        A later call with other values for the same params is a run of its own, a part of this one,
        named `run_name` (or `name`, as tensorboardX calls it).

        - hparam_domain_discrete: the values that each may have, kept as tags ``hparam_domain.KEY``
        """
        if isinstance(hparam_domain_discrete, str):  # as tensorboardX orders them: name, step
            name, hparam_domain_discrete = hparam_domain_discrete, None
            run_name, global_step = None, global_step if run_name is None else run_name
        flat = _tracker.params(hparam_dict)
        old = self._hparams
        run = self.run
        if run is None:
            return
        sink = self._sink
        if any(key in old and old[key] != value for key, value in flat.items()):
            part = _logging.start_run(
                run_name or name, parent=run.id, store=run.store, **sink._on_error()
            )
            sink = Sink(part, {})
        else:
            old.update(flat)
        sink.params(hparam_dict)
        domains = hparam_domain_discrete or {}
        for key, values in domains.items():
            sink.tag(f"hparam_domain.{key}", json.dumps(values, default=str))
        if sink is self._sink:
            for key, value in metric_dict.items():
                self._log(key, {key: value}, global_step, None)
        else:
            sink.metrics(metric_dict, 0 if global_step is None else int(global_step))
            part.finish()

    # Pictures, sound and text.

    @_harmless
    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Stores an image as ``tag/step.png``.

        - img_tensor: uint8 from 0 to 255, else from 0 to 1; 1, 3 or 4 channels
        - dataformats: what its axes are: ``CHW``, ``HWC``, ``HW``, or with N, a batch on a grid
        """
        self._add_image(tag, img_tensor, global_step, walltime, dataformats)

    @_harmless
    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Stores a batch of images as one grid, ``tag/step.png``; see `add_image`."""
        self._add_image(tag, img_tensor, global_step, walltime, dataformats)

    @_harmless
    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: list[str] | None = None,
    ) -> None:
        """Stores an image with boxes drawn on it as ``tag/step.png``; see `add_image`.

        - box_tensor: `[boxes, 4]` of left, top, right, bottom in pixels
        - rescale: the image is made so many times larger
        - labels: `[boxes]`
        """
        if isinstance(labels, str):
            labels = [labels]
        boxes = {"rescale": rescale, "boxes": box_tensor, "labels": labels}
        self._add_image(tag, img_tensor, global_step, walltime, dataformats, **boxes)

    def _add_image(
        self,
        tag: str,
        values: Any,
        step: Any,
        walltime: float | None,
        dataformats: str,
        **drawn: Any,
    ) -> None:
        pixels = _media.grid(_media.images(values, dataformats))
        try:
            self._store(tag, step, walltime, {".png": _media.png(pixels, **drawn)})
        except ImportError:
            what = "images are kept as arrays (.npy): install pillow for pictures"
            self._sink.warn("pillow", what)
            self._store(tag, step, walltime, {".npy": _media.npy(pixels)})

    @_harmless
    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: Any = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Stores a figure of matplotlib, or each of a list, as ``tag/step.png``.

        - close: it is closed afterwards
        """
        figures = figure if isinstance(figure, list | tuple) else [figure]
        files = {}
        for at, one in enumerate(figures):
            out = io.BytesIO()
            one.savefig(out, format="png")
            files[".png" if len(figures) == 1 else f"-{at}.png"] = out.getvalue()
        self._store(tag, global_step, walltime, files)
        if close:
            from matplotlib import pyplot

            for one in figures:
                pyplot.close(one)

    @_harmless
    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: Any = None,
        fps: float | None = 4,
        walltime: float | None = None,
        dataformats: str = "NTCHW",
    ) -> None:
        """Stores a video, or a batch of them on a grid, as ``tag/step.gif``.

        - vid_tensor: uint8 from 0 to 255, else from 0 to 1
        - fps: frames a second
        """
        try:
            data = {".gif": _media.gif(vid_tensor, fps or 4, dataformats)}
        except ImportError:
            self._sink.warn("gif", "videos are kept as arrays (.npy): install pillow for GIFs")
            data = {".npy": _media.npy(vid_tensor)}
        self._store(tag, global_step, walltime, data)

    @_harmless
    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: Any = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        """Stores sound as ``tag/step.wav``.

        - snd_tensor: `[samples]`, `[1, samples]` or `[channels, samples]`, from -1 to 1
        - sample_rate: in Hz
        """
        data, is_cut = _media.wav(snd_tensor, sample_rate)
        if is_cut:
            self._sink.warn("loud", "sound goes from -1 to 1: what was beyond is cut")
        self._store(tag, global_step, walltime, {".wav": data})

    @_harmless
    def add_text(
        self,
        tag: str,
        text_string: str,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Stores text, which TensorBoard takes as Markdown, as ``tag/step.md``."""
        self._store(tag, global_step, walltime, {".md": str(text_string).encode()})

    # Arrays.

    @_harmless
    def add_tensor(
        self,
        tag: str,
        tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Stores an array as ``tag/step.npy``, which `numpy.load` reads."""
        self._store(tag, global_step, walltime, {".npy": _media.npy(tensor)})

    @_harmless
    def add_embedding(
        self,
        mat: Any,
        metadata: Iterable[Any] | None = None,
        label_img: Any = None,
        global_step: Any = None,
        tag: str = "default",
        metadata_header: list[str] | None = None,
    ) -> None:
        """Stores points as ``tag/step/tensors.tsv``, with ``metadata.tsv`` and ``sprite.png``.

        - mat: `[points, features]`
        - metadata: `[points]`, a label of each, or several with `metadata_header`
        - label_img: `[points, C, H, W]`, an image of each; see `add_image`
        """
        files = {"/tensors.tsv": _media.table(_media.array(mat).tolist())}
        if metadata is not None:
            rows: list[Any] = list(metadata)
            if metadata_header:
                rows = [metadata_header, *rows]
            else:
                rows = [[row] for row in rows]
            files["/metadata.tsv"] = _media.table(rows)
        if label_img is not None:
            try:
                files["/sprite.png"] = _media.png(_media.sprite(label_img))
            except ImportError:
                files["/sprite.npy"] = _media.npy(_media.sprite(label_img))
        self._store(tag, global_step, None, files)

    @_harmless
    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Stores a precision-recall curve as ``tag/step.csv``, a threshold a row.

        - labels: truths; predictions: of the same shape, from 0 to 1
        """
        columns = _media.pr_curve(labels, predictions, num_thresholds, weights)
        self._add_curve(tag, columns, global_step, walltime)

    @_harmless
    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Stores a precision-recall curve that was counted elsewhere; see `add_pr_curve`."""
        columns = [true_positive_counts, false_positive_counts]
        columns += [true_negative_counts, false_negative_counts, precision, recall]
        self._add_curve(tag, columns, global_step, walltime)

    def _add_curve(
        self, tag: str, columns: list[Any], step: Any, walltime: float | None
    ) -> None:
        heads = ["threshold", "tp", "fp", "tn", "fn", "precision", "recall"]
        lists = [_media.array(column).reshape(-1).tolist() for column in columns]
        last = max(1, len(lists[0]) - 1)
        rows = [[at / last, *row] for at, row in enumerate(zip(*lists, strict=True))]
        self._store(tag, step, walltime, {".csv": _media.table([heads, *rows], ",")})

    @_harmless
    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: Mapping[str, Any] | None = None,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Stores meshes or clouds of points as ``tag/step.ply``; of a batch each.

        - vertices: `[batch, points, 3]`; colors: of the same shape, from 0 to 255, or floats to 1
        - faces: `[batch, faces, 3]` of points
        - config_dict: how to look at it, kept as ``tag/step.json``
        """

        def at(index: int, of: Any) -> Any:
            return None if of is None else of[index]

        files = {}
        for index in range(len(vertices)):
            ending = ".ply" if len(vertices) == 1 else f"-{index}.ply"
            files[ending] = _media.ply(vertices[index], at(index, colors), at(index, faces))
        if config_dict is not None:
            files[".json"] = json.dumps(config_dict, default=str).encode()
        self._store(tag, global_step, walltime, files)

    # Models and charts.

    @_harmless
    def add_graph(
        self,
        model: Any,
        input_to_model: Any = None,
        verbose: bool = False,
        use_strict_trace: bool = True,
    ) -> None:
        """Stores the modules of a model as it prints itself, ``graph.txt``; it is not traced."""
        what = "graphs are kept as the model prints itself, without its single operations"
        self._sink.warn("graph", what)
        self._sink.bytes(self._free_name("graph", ".txt"), f"{model}\n".encode())

    @_harmless
    def add_onnx_graph(self, prototxt: str | os.PathLike[str]) -> None:
        """Stores a file of ONNX below ``graph``."""
        self._add_graph_file(prototxt)

    @_harmless
    def add_openvino_graph(self, xmlname: str | os.PathLike[str]) -> None:
        """Stores a file of OpenVINO below ``graph``, as tensorboardX has it."""
        self._add_graph_file(xmlname)

    def _add_graph_file(self, path: str | os.PathLike[str]) -> None:
        stem, ending = os.path.splitext(os.path.basename(os.fspath(path)))
        self._sink.artifact(path, self._free_name(f"graph/{stem}", ending))

    @_harmless
    def add_custom_scalars(self, layout: Mapping[str, Any]) -> None:
        """Stores which scalars belong in one chart, ``custom_scalars.json``; no chart is drawn."""
        what = "layouts of charts are kept as custom_scalars.json, and nothing is drawn by them"
        self._sink.warn("layout", what)
        name = self._free_name("custom_scalars", ".json")
        self._sink.bytes(name, json.dumps(layout, default=str, indent=2).encode())

    def add_custom_scalars_multilinechart(
        self, tags: list[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Stores that these scalars belong in one chart; see `add_custom_scalars`."""
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(
        self, tags: list[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Stores that these are a value and its bounds; see `add_custom_scalars`."""
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    # The end.

    @_harmless
    def flush(self) -> None:
        """Waits until all that was logged would survive a power cut."""
        if self._sink.run is not None:
            self._sink.run.sync()

    def close(self) -> None:
        """Ends the run if the writer started it; what is logged later takes it up again."""
        self._sink.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if exc_val is None:
            self.close()
        else:
            self._sink.fail(exc_val)

    # What tensorboardX has beyond torch.

    @contextmanager
    def use_metadata(
        self, *, global_step: Any = None, walltime: float | None = None
    ) -> Iterator[Self]:
        """Within the block a call without a step or a time goes to these."""
        before = self._defaults
        self._defaults = {"step": global_step, "walltime": walltime}
        try:
            yield self
        finally:
            self._defaults = before

    @_harmless
    def export_scalars_to_json(self, path: str | os.PathLike[str]) -> None:
        """Writes all metrics as JSON: `{tag: [[time, step, value]]}`."""
        run = self.run
        if run is None:
            return
        read = run.read()
        scalars = {name: _points(read.series(name)) for name in read.metrics}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(scalars, file)

    # How a call finds its place.

    def _log(
        self, tag: str, values: Mapping[str, Any], step: Any, walltime: float | None
    ) -> None:
        if walltime is None:
            walltime = self._defaults.get("walltime")
        self._sink.metrics(values, self._step(tag, step), walltime)

    def _step(self, tag: str, step: Any) -> int:
        """The step of a call; without one that after the last of its tag."""
        if step is None:
            step = self._defaults.get("step")
        whole = self._next_steps.get(tag, 0)
        if step is not None:
            try:
                whole = int(step)
            except (TypeError, ValueError, OverflowError, RuntimeError) as error:
                self._sink.warn("step", f"{step!r} is no step, which is counted instead: {error}")
        self._next_steps[tag] = whole + 1
        return whole

    def _store(
        self, tag: str, step: Any, walltime: float | None, files: Mapping[str, bytes]
    ) -> None:
        """Stores files as ``tag/step`` and each one's ending."""
        if walltime is not None:
            self._sink.warn("walltime", "artifacts are as old as their files, not as walltime says")
        stem = f"{tag}/{self._step(tag, step)}"
        for ending, data in files.items():
            self._sink.bytes(self._free_name(stem, ending), data)

    def _free_name(self, stem: str, ending: str) -> str:
        """A name inside the run that was not taken by this writer before."""
        parts = [_printable(part) for part in stem.split("/")]
        clean = "/".join(part for part in parts if part not in ("", ".", ".."))
        name, count = f"{clean}{ending}", 1
        while name in self._names:
            count += 1
            name = f"{clean}.{count}{ending}"
        self._names.add(name)
        return name


def _other_writer(writer: SummaryWriter) -> ActiveRun | None:
    """The active run, if a writer of another folder started it: each folder has its own run."""
    active = _logging.active_run()
    for other in list(_writers):
        sink = other._sink
        if active is not None and sink.is_own and sink._run is active:
            is_same = other._log_dir is not None and other._log_dir == writer._log_dir
            return None if is_same else active
    return None


def _points(series: Series) -> list[list[float]]:
    """The points of a metric: `[time in seconds since 1970, step, value]` each."""
    import numpy

    times = numpy.asarray(series.times).astype("int64") / 1e6
    columns = [times, numpy.asarray(series.steps), numpy.asarray(series.values)]
    return [list(point) for point in zip(*(column.tolist() for column in columns))]


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else "_" for sign in text)
