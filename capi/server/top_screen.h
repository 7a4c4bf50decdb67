/*
 * The terminal of `fanwired top`: keys as they are pressed, a screen of its own, and
 * everything as it was before when that ends. Main thread.
 */
#ifndef FANWIRED_TOP_SCREEN_H
#define FANWIRED_TOP_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

typedef struct fwd_screen {
    int in, out; /* descriptors of the terminal */
    bool is_on;
    struct termios before;
} fwd_screen;

/* Takes the terminal. false, with errno: it is none. */
bool fwd_screen_on(fwd_screen *screen);
/* Gives it back; once or more often. */
void fwd_screen_off(fwd_screen *screen);

/* Leaves the terminal to others until the process is continued. false: it is gone. */
bool fwd_screen_pause(fwd_screen *screen);

void fwd_screen_size(const fwd_screen *screen, int *columns, int *rows);

/* The next key, 0: none is there. false: the terminal is gone. */
bool fwd_screen_key(const fwd_screen *screen, char *key);

/* All of it, as if at once. false: the terminal is gone. */
bool fwd_screen_put(const fwd_screen *screen, const char *text, size_t len);

#endif
