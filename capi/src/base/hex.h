/*
 * A hexadecimal digit in text.
 */
#ifndef FWI_BASE_HEX_H
#define FWI_BASE_HEX_H

/* 0 to 15, of either case; -1: it is none. */
static inline int fwi_hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
