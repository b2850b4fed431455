import numpy as np

from par_model.errors import FailureCode
from par_model.inference.wire import CROPS_SCHEMA, Work, crops_to_table, outcomes_to_table, table_to_crops
from par_model.types import Crops, Failure, Prediction, Preprocess

SIZE = Preprocess(height=4, width=2)


def crops(row: int, frames: list[int]) -> Crops:
    pixels = np.random.default_rng(row).integers(0, 256, (len(frames), 4, 2, 3), np.uint8)
    return Crops(row, f"t{row}", 9, np.array(frames, np.int32), pixels)


def test_crops_and_failures_arrive_as_they_were_sent() -> None:
    sent = [crops(3, [0, 0, 5]), Failure(1, "bad", None, FailureCode.VIDEO_DAMAGED, "at frame 7"), crops(2, [8])]
    table = crops_to_table(sent, Work())
    assert table.schema == CROPS_SCHEMA
    got = table_to_crops(table, SIZE)
    assert got[1] == sent[1]
    for mine, theirs in ((sent[0], got[0]), (sent[2], got[2])):
        assert isinstance(mine, Crops)
        assert isinstance(theirs, Crops)
        assert (theirs.row, theirs.tracklet_id, theirs.num_frames) == (mine.row, mine.tracklet_id, 9)
        assert theirs.sampled_frames.tolist() == mine.sampled_frames.tolist()
        np.testing.assert_array_equal(theirs.pixels, mine.pixels)


def test_a_slice_of_a_block_holds_the_pixels_of_its_own_rows() -> None:
    table = crops_to_table([crops(i, [i, i + 1]) for i in range(5)], Work())
    got = table_to_crops(table.slice(3, 1), SIZE)
    assert isinstance(got[0], Crops)
    np.testing.assert_array_equal(got[0].pixels, crops(3, [3, 4]).pixels)


def test_outcomes_keep_scores_and_nulls() -> None:
    scores = np.array([0.25, 0.5], np.float32)
    prediction = Prediction(7, "t7", 4, np.array([1, 3], np.int32), scores, np.array([1, 0], np.float32))
    table = outcomes_to_table([prediction, Failure(8, "t8", 2, FailureCode.MODEL_ERROR, "nan")], Work())
    assert table.select(range(8)).to_pylist() == [
        {"_row": 7, "tracklet_id": "t7", "num_frames": 4, "error": None, "message": None, "sampled_frames": [1, 3],
         "scores": [0.25, 0.5], "embedding": [1.0, 0.0]},
        {"_row": 8, "tracklet_id": "t8", "num_frames": 2, "error": "model-error", "message": "nan",
         "sampled_frames": None, "scores": None, "embedding": None},
    ]  # fmt: skip
