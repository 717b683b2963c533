/* Runs a kernel's entry on a team of pthreads. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "dropin_kernel.h"

enum { kSpins = 20000, kBarrierSpins = 5000 };

typedef struct member {
  assay_thread context;
  pthread_t thread;
  dropin_team* team;
} member;

typedef void (*work_function)(const assay_thread*, void*);

struct dropin_team {
  member* members;
  uint32_t count;
  work_function work;
  void* argument;
  atomic_uint generation, done, arrived, phase, stop;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
};

static void relax(unsigned spins, unsigned patience) {
#if defined(__x86_64__)
  if (spins < patience) {
    __builtin_ia32_pause();
    return;
  }
#endif
  if (spins >= patience) sched_yield();
}

static void barrier(const assay_thread* thread) {
  dropin_team* team = (dropin_team*)thread->team;
  const unsigned phase = atomic_load(&team->phase);
  if (atomic_fetch_add(&team->arrived, 1) + 1 == thread->count) {
    atomic_store(&team->arrived, 0);
    atomic_store(&team->phase, phase + 1);
    return;
  }
  for (unsigned spins = 0; atomic_load(&team->phase) == phase; ++spins) relax(spins, kBarrierSpins);
}

static void* loop(void* argument) {
  member* self = (member*)argument;
  dropin_team* team = self->team;
  for (unsigned seen = 0;; ++seen) {
    for (unsigned spins = 0; spins < kSpins && atomic_load(&team->generation) == seen; ++spins) relax(spins, kSpins);
    pthread_mutex_lock(&team->mutex);
    while (atomic_load(&team->generation) == seen) pthread_cond_wait(&team->changed, &team->mutex);
    pthread_mutex_unlock(&team->mutex);
    if (atomic_load(&team->stop)) return NULL;
    team->work(&self->context, team->argument);
    atomic_fetch_add(&team->done, 1);
  }
}

static void on_all(dropin_team* team, work_function work, void* argument) {
  team->work = work;
  team->argument = argument;
  atomic_store(&team->done, 0);
  pthread_mutex_lock(&team->mutex);
  atomic_fetch_add(&team->generation, 1);
  pthread_cond_broadcast(&team->changed);
  pthread_mutex_unlock(&team->mutex);
  work(&team->members[0].context, argument);
  for (unsigned spins = 0; atomic_load(&team->done) != team->count - 1; ++spins) relax(spins, kBarrierSpins);
}

static void parallel(const assay_thread* thread, work_function work, void* argument) {
  on_all((dropin_team*)thread->team, work, argument);
}

static void end_threads(dropin_team* team, uint32_t started) {
  pthread_mutex_lock(&team->mutex);
  atomic_store(&team->stop, 1);
  atomic_fetch_add(&team->generation, 1);
  pthread_cond_broadcast(&team->changed);
  pthread_mutex_unlock(&team->mutex);
  for (uint32_t i = 1; i < started; ++i) pthread_join(team->members[i].thread, NULL);
  pthread_cond_destroy(&team->changed);
  pthread_mutex_destroy(&team->mutex);
  free(team->members);
  free(team);
}

dropin_team* dropin_team_start(int threads) {
  if (threads < 1) return NULL;
  dropin_team* team = (dropin_team*)calloc(1, sizeof *team);
  if (!team) return NULL;
  team->count = (uint32_t)threads;
  team->members = (member*)calloc(team->count, sizeof *team->members);
  if (!team->members) {
    free(team);
    return NULL;
  }
  pthread_mutex_init(&team->mutex, NULL);
  pthread_cond_init(&team->changed, NULL);
  for (uint32_t i = 0; i < team->count; ++i) {
    member* m = &team->members[i];
    const assay_thread context = {sizeof(assay_thread), i, team->count, team->count, team, barrier, NULL};
    m->context = context;
    m->team = team;
  }
  for (uint32_t i = 1; i < team->count; ++i)
    if (pthread_create(&team->members[i].thread, NULL, loop, &team->members[i]) != 0) {
      end_threads(team, i);
      return NULL;
    }
  return team;
}

void dropin_team_stop(dropin_team* team) {
  if (team) end_threads(team, team->count);
}

/* The kernel's view of a call. */
typedef struct bound {
  assay_tensor tensors[DROPIN_MOST_TENSORS];
  assay_param params[DROPIN_MOST_PARAMS];
  assay_call call;
} bound;

static void bind(bound* to, const dropin_call* call) {
  for (uint32_t i = 0; i < call->tensor_count; ++i) {
    const dropin_tensor* t = &call->tensors[i];
    const assay_tensor made = {t->data,
                               t->scales,
                               t->role,
                               t->segment,
                               t->type,
                               t->layout,
                               {t->dims[0], t->dims[1], t->dims[2], 1},
                               {t->strides[0], t->strides[1], t->strides[2], 1}};
    to->tensors[i] = made;
  }
  for (uint32_t i = 0; i < call->param_count; ++i) {
    const assay_param made = {call->params[i].id, 0, call->params[i].value};
    to->params[i] = made;
  }
  const assay_call made = {sizeof(assay_call), ASSAY_ABI_VERSION,   call->op, call->tensor_count, to->tensors,
                           to->params,         call->param_count,   0,        call->workspace,    call->workspace_bytes,
                           call->prepared,     call->prepared_bytes};
  to->call = made;
}

typedef struct job {
  const assay_kernel* kernel;
  const assay_call* call;
  void* prepared;
  atomic_int status;
} job;

static void run_share(const assay_thread* thread, void* argument) {
  job* j = (job*)argument;
  const int status = j->kernel->run(j->call, thread);
  if (status != ASSAY_OK) atomic_store(&j->status, status);
}

static void prepare_share(const assay_thread* thread, void* argument) {
  job* j = (job*)argument;
  const int status = j->kernel->prepare(j->call, j->prepared, thread);
  if (status != ASSAY_OK) atomic_store(&j->status, status);
}

size_t dropin_workspace_bytes(const dropin_spec* spec, const dropin_call* call, const dropin_team* team) {
  const assay_kernel* kernel = spec->kernel->code.entry();
  bound b;
  bind(&b, call);
  return kernel->workspace_bytes ? kernel->workspace_bytes(&b.call, team->count) : 0;
}

size_t dropin_prepared_bytes(const dropin_spec* spec, const dropin_call* call) {
  const assay_kernel* kernel = spec->kernel->code.entry();
  bound b;
  bind(&b, call);
  return kernel->prepared_bytes ? kernel->prepared_bytes(&b.call) : 0;
}

int dropin_prepare(const dropin_spec* spec, const dropin_call* call, dropin_team* team) {
  const assay_kernel* kernel = spec->kernel->code.entry();
  if (!kernel->prepare) return ASSAY_OK;
  bound b;
  bind(&b, call);
  job j = {kernel, &b.call, call->prepared, ASSAY_OK};
  on_all(team, prepare_share, &j);
  return atomic_load(&j.status);
}

int dropin_run(const dropin_spec* spec, const dropin_call* call, dropin_team* team) {
  const assay_kernel* kernel = spec->kernel->code.entry();
  bound b;
  bind(&b, call);
  if (spec->kernel->code.threading == DROPIN_REGION) {
    const assay_thread once = {sizeof(assay_thread), 0, 1, team->count, team, NULL, parallel};
    return kernel->run(&b.call, &once);
  }
  job j = {kernel, &b.call, NULL, ASSAY_OK};
  on_all(team, run_share, &j);
  return atomic_load(&j.status);
}
