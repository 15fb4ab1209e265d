"""What can go wrong for a user. Every message is one sentence that says what was wrong and what to do."""


class ClvsError(ValueError):
    """Base of the errors whose message is meant to be shown to the user as it is."""


class ModelError(ClvsError):
    """A model cannot be loaded or is of a kind the engine does not support."""


class ImageError(ClvsError):
    """A picture cannot be read or has an unusable shape."""


class QuestionError(ClvsError):
    """A question is empty or does not fit the model's context."""


class OutOfMemory(ClvsError):
    """The memory beside a model's weights does not suffice for what was asked."""
