"""What can go wrong. Every message is the line that the command ``upg`` would say."""

__all__ = [
    "ArgumentError",
    "ConfigError",
    "DataError",
    "DeviceError",
    "DivergedError",
    "OutputError",
    "RunError",
    "TargetError",
    "UpgError",
]


class UpgError(Exception):
    """Anything that upg refuses, or that failed."""


class ConfigError(UpgError, ValueError):
    """A flow, a target or a field of a training isn't accepted; a line for each mistake, with what is accepted."""


class ArgumentError(UpgError, ValueError):
    """Another argument isn't accepted."""


class RunError(UpgError):
    """The folder of a run, or a file in it, isn't what it should be."""


class DataError(UpgError):
    """Samples of the target can't be had, or aren't what they should be."""


class OutputError(UpgError):
    """A file can't be written."""


class DeviceError(UpgError):
    """The device can't be had, or failed."""


class TargetError(UpgError, ValueError):
    """The function of a target of one's own returns something else than it should; ``sample`` is the one to blame, if one is, by its number in the call."""

    sample: int | None = None


class DivergedError(UpgError, ArithmeticError):
    """Numbers that aren't finite. What was saved before stays."""
