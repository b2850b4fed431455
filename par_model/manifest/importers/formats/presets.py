"""Tools whose files need no columns to be named, each read as it was seen to write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from par_model.errors import ManifestError, UsageError
from par_model.manifest.importers.attribute_votes import Votes
from par_model.manifest.importers.columns import Columns, Sheet, SheetTracks, read_sheet, sheet_tracks
from par_model.manifest.importers.formats.coco_video import motsynth_shift, read_coco_video
from par_model.manifest.importers.formats.kitti import read_deepstream, read_kitti
from par_model.manifest.importers.formats.label_studio import Picture, read_label_studio
from par_model.manifest.importers.formats.ultralytics import read_ultralytics
from par_model.manifest.importers.gather import Listed, Numbering
from par_model.manifest.importers.options import Preset, SheetOptions

_SUPERVISION = Columns("", "tracker_id", ("x_min", "y_min", "x_max", "y_max"), "corners")
_SUPERVISION_FRAMES = ("frame_number", "frame_index", "frame_id", "frame_idx", "frame")
_SUPERVISION_CLASSES = ("class_name", "class_id")


@dataclass(frozen=True, eq=False)
class Read:
    """What was read. numbering: from frame numbers to the video's. relative: boxes are shares of the picture.

    corners_known: that the file itself, or the user, says what the four sides are. video_numbers: as ``FitOptions`` has
    it. notes: sentences for the user.
    """

    listed: Listed
    votes: Votes = field(default_factory=dict)
    numbering: Numbering = Numbering()  # noqa: RUF009  # frozen
    relative: bool = False
    corners_known: bool = True
    video_numbers: bool = False
    notes: Sequence[str] = ()


def read_columns(uri: str, columns: Columns, asked: SheetOptions) -> Read:
    """A sheet by its columns' names."""
    if asked.corners and columns.shape == "size":
        columns = Columns(columns.frame, columns.track, columns.sides, "corners", columns.of_class)
    elif asked.corners:
        raise UsageError("--corners is for columns that are called x, y, w and h; these say themselves what they are")
    return _of_sheet(read_sheet(uri), columns, asked)


def read_preset(preset: Preset, uri: str, asked: SheetOptions, *, stem: str, picture: Callable[[], Picture]) -> Read:
    """A tool's file, or folder of files. stem: of the video's name. picture: asks the video, where that is needed.

    Raises ManifestError and StorageError as the readers do, and UsageError for what does not apply to the tool.
    """
    _refuse(preset, asked)
    step = Numbering(0, asked.frame_step)
    match preset:
        case "supervision":
            sheet = read_sheet(uri)
            columns = _supervision(sheet)
            if asked.people and columns.of_class is None:
                raise UsageError(f"--people does not apply: {uri} has neither {' nor '.join(_SUPERVISION_CLASSES)}")
            return _of_sheet(sheet, columns, asked)
        case "ultralytics":
            listed = read_ultralytics(uri, people=asked.people, stride=asked.frame_step, stem=stem)
            return Read(listed, relative=True)
        case "kitti":
            return Read(read_kitti(uri, people=asked.people), numbering=step)
        case "deepstream-kitti":
            return Read(read_deepstream(uri, people=asked.people), numbering=step)
        case "coco-video":
            listed = read_coco_video(uri, people=asked.people, sequence=asked.sequence, first_frame=asked.first_frame)
            return Read(listed, numbering=step)
        case "motsynth":
            first = 1 if asked.first_frame is None else asked.first_frame
            listed = read_coco_video(uri, people=asked.people, sequence=asked.sequence, first_frame=first)
            shift = motsynth_shift(len(picture().seconds)) if asked.first_frame is None else 0
            return Read(listed, numbering=Numbering(-shift, 1), notes=_motsynth(shift))
        case "label-studio":
            first = 1 if asked.first_frame is None else asked.first_frame
            found = read_label_studio(uri, picture(), people=asked.people, sequence=asked.sequence, first_frame=first)
            return Read(found.listed, found.votes, video_numbers=True)


def _motsynth(shift: int) -> list[str]:
    if not shift:
        return []
    return [f"the video is longer than 1,800 frames: image 1 is taken for frame {shift}, as in MOTSynth's own videos"]


# Options that mean something for a tool; the others are refused, since they would be passed over.
_APPLY: Mapping[Preset, Sequence[str]] = {
    "supervision": ("--first-frame", "--frame-step"),
    "ultralytics": ("--frame-step",),
    "kitti": ("--frame-step",),
    "deepstream-kitti": ("--frame-step",),
    "motsynth": ("--first-frame", "--sequence"),
    "coco-video": ("--first-frame", "--frame-step", "--sequence"),
    "label-studio": ("--first-frame", "--sequence"),
}
_WITH_LABELS: Sequence[Preset] = ("supervision", "label-studio")


def _refuse(preset: Preset, asked: SheetOptions) -> None:
    given = {
        "--first-frame": asked.first_frame is not None,
        "--frame-step": asked.frame_step != 1,
        "--sequence": asked.sequence is not None,
        "--corners": asked.corners,
    }
    for option, is_given in given.items():
        if is_given and option not in _APPLY[preset]:
            raise UsageError(f"{option} does not apply to --preset {preset}, which says that itself")
    if asked.labelled and preset not in _WITH_LABELS:
        raise UsageError(
            f"--preset {preset}: its files have boxes but no labels: leave out --labels and --schema, or give them as "
            "--labels FILE --schema S, where FILE has one row a track"
        )


def _supervision(sheet: Sheet) -> Columns:
    """The columns of supervision's CSVSink. Its frames are whatever was given as custom data."""
    frame = next((name for name in _SUPERVISION_FRAMES if name in sheet.header), None)
    if frame is None:
        raise ManifestError(
            f"{sheet.origin}: has no column of frame numbers ({', '.join(_SUPERVISION_FRAMES)}): CSVSink writes none "
            "of its own; give them, as in sink.append(detections, custom_data={'frame_number': index}), index from 0"
        )
    of_class = next((name for name in _SUPERVISION_CLASSES if name in sheet.header), None)
    return Columns(frame, _SUPERVISION.track, _SUPERVISION.sides, _SUPERVISION.shape, of_class)


def _of_sheet(sheet: Sheet, columns: Columns, asked: SheetOptions) -> Read:
    found = sheet_tracks(sheet, columns, people=asked.people, labelled=asked.labelled)
    return Read(
        found.listed,
        found.votes,
        Numbering(asked.first_frame or 0, asked.frame_step),
        corners_known=asked.corners or columns.shape != "size",
        notes=_numbers_from_0(found) if asked.first_frame is None else [],
    )


def _numbers_from_0(found: SheetTracks) -> list[str]:
    """What was taken for granted, where the number of the first frame is not seen."""
    if not found.lowest_frame:
        return []
    return [f"frames, from {found.lowest_frame} on, are taken to be counted from 0: if from 1, say --first-frame 1"]
