/* Set the clock of a program ahead by the seconds in CLOCK_AHEAD_S: it loads this first, by LD_PRELOAD.
   Debian's faketime changes sleeps and waits, too, and Python's then fail or never end. */

#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = syscall(SYS_clock_gettime, clock, now);
  const char *ahead = getenv("CLOCK_AHEAD_S");
  if (!failed && ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += atol(ahead);
  return failed;
}

time_t time(time_t *answer) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (answer) *answer = now.tv_sec;
  return now.tv_sec;
}

int gettimeofday(struct timeval *restrict answer, void *restrict zone) {
  struct timespec now;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
  answer->tv_sec = now.tv_sec;
  answer->tv_usec = now.tv_nsec / 1000;
  return 0;
}
