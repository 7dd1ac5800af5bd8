/* Set the clock of a program ahead by the seconds in CLOCK_AHEAD_S: it loads this first, by LD_PRELOAD. The files that it
   writes have that time, too: else its first sweep takes those that it is writing for leftovers of days ago.
   Debian's faketime changes sleeps and waits, too, and Python's then fail or never end. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t began;

static long seconds_ahead(void) {
  const char *ahead = getenv("CLOCK_AHEAD_S");
  return ahead ? atol(ahead) : 0;
}

__attribute__((constructor)) static void note_begin(void) {
  struct timespec now;
  if (!syscall(SYS_clock_gettime, CLOCK_REALTIME, &now)) began = now.tv_sec;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = syscall(SYS_clock_gettime, clock, now);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += seconds_ahead();
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

/* The calls by which Python asks for a file's times, on 64-bit Linux with glibc 2.33 or newer. */

int fstatat64(int folder, const char *restrict path, struct stat64 *restrict answer, int flags) {
  int failed = syscall(SYS_newfstatat, folder, path, answer, flags);
  if (!failed && answer->st_mtim.tv_sec >= began) answer->st_mtim.tv_sec += seconds_ahead();
  return failed;
}

int stat64(const char *restrict path, struct stat64 *restrict answer) { return fstatat64(AT_FDCWD, path, answer, 0); }

int lstat64(const char *restrict path, struct stat64 *restrict answer) {
  return fstatat64(AT_FDCWD, path, answer, AT_SYMLINK_NOFOLLOW);
}

int fstat64(int file, struct stat64 *answer) { return fstatat64(file, "", answer, AT_EMPTY_PATH); }
