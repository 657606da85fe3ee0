using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Tests.Runs;

/// <summary>
/// The lock of a run folder, also on a file system that does not share locks between machines. Only its mark then shows another machine, so
/// these tests write such marks themselves.
/// </summary>
public sealed class RunLockTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly WaitedTime _time = new();
    private readonly List<string> _said = [];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_second_process_is_refused_with_the_name_of_the_first_until_that_has_ended()
    {
        using (var first = Take("here", out _))
        {
            Assert.NotNull(first);
            Assert.Null(Take("here", out var holder));
            Assert.Equal((Environment.ProcessId, Environment.MachineName), (holder!.Process, holder.Host));
            // If the file system shares locks between machines, the lock decides there too.
            Assert.Null(Take("there", out _));
        }
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
        using var second = Take("there", out _);
        Assert.NotNull(second);
        NothingWasWaitedFor();
    }

    [Fact]
    public void The_folder_of_a_killed_process_of_this_machine_is_taken_at_once()
    {
        Write(Mark("here", 12));
        using var taken = Take("here", out _);
        Assert.NotNull(taken);
        NothingWasWaitedFor();
    }

    [Fact]
    public void An_unchanged_mark_of_another_machine_is_taken_over_after_the_documented_time()
    {
        Write(Mark("there", 12));
        using var taken = Take("here", out _);
        Assert.NotNull(taken);
        Assert.Equal(RunLock.Silence, _time.Passed);
        Assert.Equal([$"'{_folder.Path}' was last used by process 7 on host-2, since 2026-02-03 04:05:06 UTC. "
            + "Waiting up to 20 s to see whether that process still runs."], _said);
        Assert.Equal("here", HolderMark.Parse(File.ReadAllText(_folder[RunLock.MarkName]))!.Machine);
    }

    [Fact]
    public void A_mark_of_another_machine_that_changes_is_respected()
    {
        Write(Mark("there", 12));
        // The latest moment at which a living holder renews its mark.
        _time.Waited = passed =>
        {
            if (passed == RunLock.Renewal) Write(Mark("there", 13));
        };
        Assert.Null(Take("here", out var holder));
        Assert.Equal("process 7 on host-2, since 2026-02-03 04:05:06 UTC", holder!.ToString());
        Assert.Equal(RunLock.Renewal, _time.Passed);
    }

    [Fact]
    public void A_holder_that_missed_three_renewals_is_respected()
    {
        Write(Mark("there", 12));
        _time.Waited = passed =>
        {
            if (passed == RunLock.Silence) Write(Mark("there", 13));
        };
        Assert.Null(Take("here", out _));
    }

    [Fact]
    public void The_folder_of_another_machine_is_taken_when_its_holder_exits()
    {
        Write(Mark("there", 12));
        _time.Waited = _ => File.Delete(_folder[RunLock.MarkName]);
        using var taken = Take("here", out _);
        Assert.NotNull(taken);
        Assert.Equal(RunLock.Look, _time.Passed);
    }

    [Fact]
    public void A_malformed_mark_is_watched_like_a_valid_one()
    {
        File.WriteAllText(_folder[RunLock.MarkName], new string('x', 1 << 20));
        using var taken = Take("here", out _);
        Assert.NotNull(taken);
        Assert.Equal(RunLock.Silence, _time.Passed);
    }

    [Fact]
    public void A_holder_renews_its_mark_and_a_reader_never_sees_half_of_one()
    {
        using var held = Take("here", out _);
        var seen = new List<string> { File.ReadAllText(_folder[RunLock.MarkName]) };
        for (var i = 0; i < 3; i++)
        {
            // A reader that has opened the file still sees the mark that it has opened.
            using var reader = new StreamReader(_folder[RunLock.MarkName]);
            _time.Renew();
            Assert.Equal(seen[^1], reader.ReadToEnd());
            seen.Add(File.ReadAllText(_folder[RunLock.MarkName]));
        }
        Assert.Equal([0, 1, 2, 3], seen.Select(text => HolderMark.Parse(text)!.Renewals));
        Assert.Equal(["run.holder", "run.lock"], Directory.GetFiles(_folder.Path).Select(Path.GetFileName).Order());
        Assert.False(held!.Lost.IsCancellationRequested);
    }

    [Fact]
    public void A_holder_whose_mark_another_machine_has_replaced_learns_of_it_and_removes_nothing()
    {
        using var held = Take("here", out _);
        Write(Mark("there", 0));
        _time.Renew();
        Assert.True(held!.Lost.IsCancellationRequested);
        _time.Renew();
        held.Dispose();
        Assert.Equal(Mark("there", 0), HolderMark.Parse(File.ReadAllText(_folder[RunLock.MarkName])));
        Assert.True(File.Exists(_folder[RunLock.FileName]));
    }

    [Fact]
    public void A_holder_that_cannot_renew_its_mark_for_a_while_keeps_the_folder()
    {
        using var held = Take("here", out _);
        File.Delete(_folder[RunLock.MarkName]);
        Directory.CreateDirectory(_folder[RunLock.MarkName]);
        _time.Renew();
        Assert.False(held!.Lost.IsCancellationRequested);
        Directory.Delete(_folder[RunLock.MarkName]);
        _time.Renew();
        Assert.Equal("here", HolderMark.Parse(File.ReadAllText(_folder[RunLock.MarkName]))!.Machine);
    }

    [Fact]
    public void A_renewal_that_a_full_disk_cuts_short_leaves_nothing_behind()
    {
        if (!File.Exists("/dev/full")) Assert.Skip("this system has no device that is always full");
        var temporary = _folder[$"{RunLock.MarkName}.tmp"];
        using (var held = Take("here", out _))
        {
            var before = File.ReadAllText(_folder[RunLock.MarkName]);
            File.CreateSymbolicLink(temporary, "/dev/full");
            _time.Renew();
            Assert.Equal(before, File.ReadAllText(_folder[RunLock.MarkName]));
            Assert.False(held!.Lost.IsCancellationRequested);
        }
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void Concurrent_processes_never_hold_the_lock_together()
    {
        var (inside, taken) = (0, 0);
        Parallel.For(0, 4, _ =>
        {
            for (var i = 0; i < 200; i++)
            {
                using var held = RunLock.TryTake(_folder.Path, "here", TimeProvider.System, _said.Add, out HolderMark? _);
                if (held is null) continue;
                Assert.Equal(1, Interlocked.Increment(ref inside));
                Interlocked.Increment(ref taken);
                Interlocked.Decrement(ref inside);
            }
        });
        Assert.True(taken > 0);
    }

    private static HolderMark Mark(string machine, long renewals) =>
        new(new("00000000-0000-0000-0000-000000000007"), machine, "host-2", 7, new(2026, 2, 3, 4, 5, 6, TimeSpan.Zero), renewals);

    private RunLock? Take(string machine, out HolderMark? holder) => RunLock.TryTake(_folder.Path, machine, _time, _said.Add, out holder);

    private void Write(HolderMark mark) => File.WriteAllText(_folder[RunLock.MarkName], mark.ToText());

    private void NothingWasWaitedFor()
    {
        Assert.Equal(TimeSpan.Zero, _time.Passed);
        Assert.Empty(_said);
    }

    /// <summary>A clock that moves only when something waits. The test triggers renewals itself.</summary>
    private sealed class WaitedTime : TimeProvider
    {
        private readonly List<Timer> _periodic = [];

        public TimeSpan Passed { get; private set; }

        public Action<TimeSpan>? Waited { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Passed.Ticks;

        public void Renew()
        {
            foreach (var timer in _periodic) timer.Fire();
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = new Timer(() => callback(state));
            if (period != Timeout.InfiniteTimeSpan)
            {
                _periodic.Add(timer);
                return timer;
            }
            Passed += dueTime;
            Waited?.Invoke(Passed);
            timer.Fire();
            return timer;
        }

        private sealed class Timer(Action fire) : ITimer
        {
            private bool _isDisposed;

            public void Fire()
            {
                if (!_isDisposed) fire();
            }

            public bool Change(TimeSpan dueTime, TimeSpan period) => throw new NotSupportedException();

            public void Dispose() => _isDisposed = true;

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
