"""What a job looks at before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from par_model import storage
from par_model.errors import ManifestError
from par_model.inference.fingerprint import fingerprint_of
from par_model.inference.options import InferOptions, StageSettings
from par_model.inference.survey import RowQuestion, Surveyed, spans_of
from par_model.manifest.read import Manifest
from par_model.manifest.refuse import Complaint, refuse_columns
from par_model.manifest.selection import Selection
from par_model.model.device import RealDevice, choose_precision
from par_model.model.shipped import DEMO, weights_uri
from par_model.model.weights import WeightsHeader, read_header
from par_model.runs.differences import Fingerprint
from par_model.runs.output import Output
from par_model.sampling import Sampling
from par_model.table.attribute_table import AttributeTable
from par_model.table.read import FOLDER
from par_model.table.results import Reading
from par_model.table.schema import check_partition_columns, check_sort_columns, table_schema

_BATCH_SIZE = {"cpu": 8, "cuda": 64}


@dataclass(frozen=True)
class Job:
    """What was looked at before any row was. table: as it was found, if it is complete."""

    options: InferOptions
    manifest: Manifest
    header: WeightsHeader
    selection: Selection
    sampling: Sampling
    table: AttributeTable
    fingerprint: Fingerprint

    @classmethod
    def look(cls, options: InferOptions) -> Job:
        """Read what there is to read but the manifest's rows, and refuse what cannot be done. Writes nothing."""
        header = read_header(weights_uri(options.weights))
        frames = options.frames or header.config.frames
        if options.zero_shot:
            header.check_zero_shot()
        elif options.sampling != "all":
            header.config.check_frames(frames)
        manifest = Manifest.open(options.manifest)
        refuse_columns(manifest, header.schema)
        selection = Selection(options.split, options.limit)
        passed_through = [manifest.schema.field(name) for name in manifest.pass_through]
        width = header.config.backbone.embed_dim if options.embedding_type == "fixed" else None
        schema = table_schema(passed_through, header.schema, embedding=options.embedding, embedding_width=width)
        check_partition_columns(options.partition_by, schema)
        check_sort_columns(options.sort_by, options.partition_by, passed_through)
        folder = storage.join(storage.absolute(options.output), FOLDER)
        return cls(
            options=options,
            manifest=manifest,
            header=header,
            selection=selection,
            sampling=Sampling(options.sampling, frames, options.seed, options.decode_budget),
            table=AttributeTable(folder, schema, options.partition_by, sort_by=options.sort_by),
            fingerprint=fingerprint_of(options, header, manifest, frames),
        )

    @cached_property
    def question(self) -> RowQuestion:
        """What the manifest's rows are asked."""
        stop = self.selection.stop(self.manifest)
        return RowQuestion.of(self.manifest, self.options.split, stop, self.options.partition_by)

    @cached_property
    def is_small(self) -> bool:
        """Whether the manifest is surveyed and planned by this process alone."""
        return len(spans_of(self.manifest)) == 1

    def accept(self, surveyed: Surveyed, twice: Complaint | None) -> None:
        """Raise ManifestError or UsageError where the manifest's rows, or as many frames, cannot be recognised.

        twice: the first row with the id of another.
        """
        surveyed.refuse(self.manifest, twice)
        if self.sampling.policy == "all" and self.header.config.max_frames is not None and not self.options.zero_shot:
            self.header.config.check_frames(surveyed.longest)
        if surveyed.selected == 0:
            named = f"{self.options.manifest} has no tracklet of split {self.options.split!r}"
            raise ManifestError(f"{named}: nothing to do")

    def reading(self) -> Reading:
        """How scores become answers. Zero-shot, nothing is trained, and thresholds that were found for the trained
        network do not count."""
        header = self.header
        thresholds, trained = header.thresholds, header.trained
        if self.options.zero_shot:
            thresholds, trained = (0.5,) * len(thresholds), (True,) * len(trained)
        return Reading(header.schema, thresholds, trained, header.model_id)

    def settings(self, device: RealDevice) -> StageSettings:
        """What the stages need to know where the network runs on ``device``."""
        options = self.options
        return StageSettings(
            weights=options.weights if options.weights == DEMO else storage.absolute(options.weights),
            preprocess=self.header.preprocess,
            sampling=self.sampling,
            decode=options.decode,
            device=device,
            precision=choose_precision(options.precision, device),
            batch_size=options.batch_size or _BATCH_SIZE[device],
            compile=options.compile,
            embedding=options.embedding,
            zero_shot=options.zero_shot,
        )

    @property
    def output(self) -> Output:
        """The folder that the table comes to lie in."""
        return Output(self.options.output)
