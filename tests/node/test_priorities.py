"""Background threads step back, the caller does not."""

import os
import threading

from node.priorities import BACKGROUND_NICE, keep_priority, lower_background_threads


def nice_of(native_id: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, native_id)


def test_every_thread_but_the_callers_steps_back() -> None:
    ending = threading.Event()
    thread = threading.Thread(target=ending.wait, daemon=True)
    thread.start()
    try:
        before = nice_of(threading.get_native_id())
        lower_background_threads()
        lower_background_threads()
        assert thread.native_id is not None
        assert nice_of(thread.native_id) >= BACKGROUND_NICE
        assert nice_of(threading.get_native_id()) == before
    finally:
        ending.set()
        thread.join()


def test_a_thread_that_others_wait_for_stays() -> None:
    kept, ending = threading.Event(), threading.Event()

    def work() -> None:
        keep_priority()
        kept.set()
        ending.wait()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        assert kept.wait(10)
        lower_background_threads()
        assert thread.native_id is not None
        assert nice_of(thread.native_id) == nice_of(threading.get_native_id())
    finally:
        ending.set()
        thread.join()
