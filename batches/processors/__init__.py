"""The processor's contract and registry."""


def discover() -> None:
    pass
