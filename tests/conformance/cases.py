"""All chapters: importing one registers its cases. A new chapter is a new line here."""


def load():
    # pylint: disable=unused-import,import-outside-toplevel
    import cases_frames      # 1-5, 10
    import cases_utf8        # 6
    import cases_closing     # 7, 22
    import cases_large       # 9
    import cases_handshake   # 20
    import cases_framing     # 21
    import cases_deflate     # 12, 13
    import cases_deflate_own  # 23
    return (cases_frames, cases_utf8, cases_closing, cases_large, cases_handshake,
            cases_framing, cases_deflate, cases_deflate_own)
