"""Why storage refused, in one line; of S3 its own code and text, and what to do about it.

The codes are those of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; stores of other makers use
the same. s3fs makes Python's exceptions of them and keeps botocore's error, which has the code, as their cause.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from par_model.wording import one_line

_LONGEST_TEXT = 300
_CAUSES = 8
_ACTION = re.compile(r"not authorized to perform:? (\S+)")

_ARCHIVED = "InvalidObjectState"
_CREDENTIALS = {
    "RequestTimeTooSkewed": "set this machine's clock: S3 takes requests that are at most 15 minutes off",
    "SignatureDoesNotMatch": "check AWS_SECRET_ACCESS_KEY: it is not the one of this access key",
    "InvalidAccessKeyId": "check AWS_ACCESS_KEY_ID or AWS_PROFILE, and that AWS_ENDPOINT_URL names their store",
    "ExpiredToken": "get new temporary credentials, then run the same command again",
    "InvalidToken": "get new temporary credentials: AWS_SESSION_TOKEN does not belong to this access key",
    "TokenRefreshRequired": "get new temporary credentials, then run the same command again",
}
_REGION = {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect", "Redirect"}
_REGION |= {"TemporaryRedirect", "301", "307"}
_DENIED = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "InvalidPayer", "InvalidSecurity", "NotSignedUp"}
_DENIED |= {"403", "Forbidden", "InvalidClientTokenId", "UnauthorizedAccess"}
_BUSY = {"SlowDown", "ServiceUnavailable", "RequestLimitExceeded", "Throttling", "TooManyRequests", "503", "429"}


@dataclass(frozen=True)
class Refusal:
    """One answer of a store. code: its error code, or an HTTP status where the answer had no body.

    text: its message. region: where the bucket is, if the answer says so.
    """

    code: str
    text: str
    region: str | None = None

    @property
    def is_bare(self) -> bool:
        """Whether only a status is known, as after a HEAD, and a GET of the same object would say why. A busy store is
        not to be asked for more."""
        return self.code.isdigit() and self.code[0] in "34" and self.code not in ("404", *_BUSY)

    @property
    def is_archived(self) -> bool:
        """Whether the object is there, in a class of storage that nothing is read from."""
        return self.code == _ARCHIVED

    @property
    def is_denied(self) -> bool:
        """Whether other credentials, or other rights of these, would be answered."""
        return self.code in _DENIED or self.code in _CREDENTIALS or self.code.startswith("KMS.")

    def line(self) -> str:
        """One line: what the store said, and what to do about it where that is known."""
        said = f"{self.text} ({self.code})"
        if self.is_denied:
            said = f"access denied ({self.code})" if self.is_bare else f"access denied ({self.code}: {self.text})"
        advice = self._advice()
        return f"{said}; {advice}" if advice else said

    def _advice(self) -> str | None:
        if self.is_archived:
            return "it is archived: restore it (`aws s3api restore-object`), then --retry-failed does it again"
        if self.code in _CREDENTIALS:
            return _CREDENTIALS[self.code]
        if self.code in _REGION:
            where = f"{self.region}, where the bucket is" if self.region else "the region of the bucket"
            return f"set AWS_DEFAULT_REGION to {where}, and AWS_ENDPOINT_URL only for a store that is not AWS's"
        if self.code.startswith("KMS.") or (self.is_denied and "kms" in self.text.lower()):
            return "these credentials need kms:Decrypt on an enabled key, to write kms:GenerateDataKey too"
        if self.code in _BUSY:
            return "the store is busy: use fewer --decode-workers, and run the same command again"
        action = _ACTION.search(self.text)
        if action and action[1] == "s3:ListBucket":
            return "allow s3:ListBucket to these credentials; without it, S3 says this for what is not there as well"
        if action:
            return f"allow {action[1]} to these credentials"
        if self.is_denied:
            return (
                "check the credentials and the bucket's policy; a bucket whose requester pays, or that is public, "
                "needs a setting of its own (docs/storage.md)"
            )
        return None


def refusal(error: BaseException) -> Refusal | None:
    """The store's answer that an exception was raised for, None where there was none."""
    cause: BaseException | None = error
    for _ in range(_CAUSES):
        response: Any = getattr(cause, "response", None)
        if isinstance(response, dict) and isinstance(response.get("Error"), dict):
            return _parsed(response)
        cause = cause.__cause__ if cause is not None else None
    return None


def _parsed(response: dict[str, Any]) -> Refusal:
    found = response["Error"]
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    text = one_line(str(found.get("Message") or ""))
    code = str(found.get("Code") or response.get("ResponseMetadata", {}).get("HTTPStatusCode") or "no code")
    region = found.get("Region") or headers.get("x-amz-bucket-region")
    return Refusal(code, text[:_LONGEST_TEXT].rstrip(".") or "the store gave no reason", region)


def not_found(uri: str, error: BaseException) -> str:
    """What is not there: a bucket, or what is in it."""
    if "bucket does not exist" in str(error).lower():  # not any "bucket": it may be in the path
        return f"there is no such bucket ({uri.split('/')[2]})" if uri.startswith("s3") else line(error)
    return "there is no such file or folder"


def line(error: BaseException) -> str:
    """One line for an error without an answer."""
    if isinstance(error, OSError) and error.strerror and error.errno is not None and error.errno > 0:
        return error.strerror
    return one_line(error)


def library_error(error: Exception) -> str | None:
    """One line for what botocore and aiohttp raise outside OSError, None for anything else."""
    module = type(error).__module__.split(".")[0]
    if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
        return (
            "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or use a role; "
            "for a public bucket, FSSPEC_S3_ANON=true"
        )
    if module in ("botocore", "aiobotocore", "aiohttp", "fsspec", "s3fs", "zipfile", "tarfile"):
        return line(error)
    return None
