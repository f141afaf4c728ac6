"""Names in pictures: matplotlib would set what stands between two dollar signs as a formula."""


def literal(text: str) -> str:
    r"""Write a text so that matplotlib shows it as it is.

    Args:
        text: A name or unit that came with the data.

    Returns:
        The text with its dollar signs escaped.

    >>> print(literal("US$ to A$"))
    US\$ to A\$
    """
    return text.replace("$", r"\$")
