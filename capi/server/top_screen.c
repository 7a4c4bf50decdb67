/*
 * See top_screen.h. Escape sequences are those of ECMA-48 and of xterm's second screen,
 * which everything that calls itself a terminal today understands.
 */
#include "top_screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char enter[] = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[J";
static const char leave[] = "\x1b[?25h\x1b[?1049l";

bool fwd_screen_put(const fwd_screen *screen, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(screen->out, text, len);
        if (n < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = screen->out, .events = POLLOUT}, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            return false;
        } else if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
    }
    return true;
}

bool fwd_screen_on(fwd_screen *screen)
{
    if (!isatty(screen->out) || tcgetattr(screen->in, &screen->before) != 0) {
        return false;
    }
    struct termios raw = screen->before;
    /* Ctrl-C and Ctrl-Z stay signals, and come as all signals do. */
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(screen->in, TCSAFLUSH, &raw) != 0) {
        return false;
    }
    screen->is_on = true;
    return fwd_screen_put(screen, enter, strlen(enter));
}

void fwd_screen_off(fwd_screen *screen)
{
    if (screen->is_on) {
        screen->is_on = false;
        fwd_screen_put(screen, leave, strlen(leave));
        tcsetattr(screen->in, TCSAFLUSH, &screen->before);
    }
}

bool fwd_screen_pause(fwd_screen *screen)
{
    fwd_screen_off(screen);
    kill(getpid(), SIGSTOP);
    return fwd_screen_on(screen);
}

void fwd_screen_size(const fwd_screen *screen, int *columns, int *rows)
{
    struct winsize size;
    bool known = ioctl(screen->out, TIOCGWINSZ, &size) == 0;
    *columns = known && size.ws_col > 0 ? size.ws_col : 80;
    *rows = known && size.ws_row > 0 ? size.ws_row : 24;
}

bool fwd_screen_key(const fwd_screen *screen, char *key)
{
    struct pollfd p = {.fd = screen->in, .events = POLLIN};
    *key = 0;
    if (poll(&p, 1, 0) <= 0) {
        return true;
    }
    if (p.revents & (POLLHUP | POLLERR | POLLNVAL)) {
        return false;
    }
    ssize_t n = read(screen->in, key, 1);
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}
