"""From the columns of a sample to a contract: types, keys, codes, units and personal data are guessed, and marked.

    contracts.sample.guess.guess(columns, ...)  -> Guessed: every field with what was guessed of it and why
    contracts.sample.writing.document(guessed)  -> the contract's text, each guess marked `review`
    contracts.sample.marks.marks(path)          -> the marks that are left in a contract

Nothing here reads a sample; `connectors.sample` does.
"""
