using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Tests.Checkpoints;
using Distributed.Core.Planning;
using Distributed.Core.Scores;
using Distributed.Jobs.State;

namespace Distributed.Coordinator.Tests.Storage;

/// <summary>Runs that are interrupted again and again on a failing disk, and where each resume continues.</summary>
public sealed class ResumeTests
{
    private const string Folder = "/run";
    private const string Checkpoints = Folder + "/checkpoints";

    private static readonly Gen<Rounds> _rounds =
        from train in Gen.Int[1, 12]
        from test in Gen.Int[0, 3]
        from epochs in Gen.Int[1, 12]
        from batch in Gen.Int[1, train]
        select new Rounds(train, test, epochs, batch, 1);

    [Fact]
    public void The_recorded_rounds_are_those_with_a_line_each_from_the_first_on() =>
        Gen.Select(_rounds, Gen.Long[0, 200], Gen.Long[0, 20]).Sample((rounds, steps, evaluations) =>
        {
            var (number, step, evaluated) = (0L, 0L, 0L);
            for (; number < rounds.Count; number++)
            {
                if (rounds.At(number).Kind == RoundKind.Train ? step++ == steps : evaluated++ == evaluations) break;
            }
            Assert.Equal(number, rounds.RecordedBy(steps, evaluations));
            var all = Enumerable.Range(0, (int)rounds.Count).Select(n => rounds.At(n));
            foreach (var round in all.Where(round => round.Kind == RoundKind.Train))
                Assert.Equal(round.Number, rounds.NumberOf(round.Step));
        }, iter: 3000);

    [Fact]
    public void A_checkpoint_ahead_of_the_records_is_set_aside_and_every_dropped_line_is_named()
    {
        var rounds = new Rounds(TrainSamples: 10, TestSamples: 1, Epochs: 3, Batch: 1, MicroBatches: 1);
        Manifest[] checkpoints = [Checkpoint(rounds, 5), Checkpoint(rounds, 10), Checkpoint(rounds, 12)];
        var point = ResumePoint.Of(rounds, new(9, Fault: 11, Behind: 7), new(1), checkpoints);
        Assert.Equal((9, 9, 0, 5), (point.Rounds, point.Steps, point.Evaluations, point.Checkpoint!.Round));
        Assert.Equal(
        [
            "history.csv: line 11 cannot be read; 7 line(s) from there on are dropped",
            "evaluations.csv: 1 evaluation(s) from evaluation 1 on are dropped, as history.csv does not reach so far",
            "the checkpoint of step 10 is set aside: it is of 10 rounds, and 9 are recorded",
            "the checkpoint of step 11 is set aside: it is of 12 rounds, and 9 are recorded",
        ], point.Dropped);
        point = ResumePoint.Of(rounds, new(15), new(1, Fault: 3, Behind: 1), checkpoints);
        Assert.Equal((16, 15, 1, 12), (point.Rounds, point.Steps, point.Evaluations, point.Checkpoint!.Round));
        point = ResumePoint.Of(rounds, new(15), new(0), checkpoints);
        Assert.Equal((10, 10, 0, 10), (point.Rounds, point.Steps, point.Evaluations, point.Checkpoint!.Round));
        Assert.Contains("history.csv: 5 step(s) from step 11 on are dropped, as evaluations.csv does not reach so far", point.Dropped);
        point = ResumePoint.Of(null, new(15), new(1), checkpoints);
        Assert.Equal((0, 0, 0, null, 3), (point.Rounds, point.Steps, point.Evaluations, point.Checkpoint, point.SetAside.Length));
    }

    [Fact]
    public void An_interrupted_run_continues_where_all_files_agree_and_loses_nothing_that_was_flushed()
    {
        var seen = new SortedDictionary<string, int>(StringComparer.Ordinal);
        Gen.Select(_rounds, Gen.Int).Sample((rounds, seed) =>
        {
            var run = new Run(rounds, seed);
            for (var action = 0; action < 120; action++) run.Act();
            run.Finish();
            foreach (var (what, count) in run.Disk.Seen) seen[what] = seen.GetValueOrDefault(what) + count;
        }, iter: 1500, threads: 1);
        foreach (var what in (string[])[
            "a write cut in two", "a page of zeros in a file that was not flushed", "a page of zeros in a file that was flushed",
            "a name that was not flushed is gone", "a checkpoint while the disk is full", "a checkpoint while the disk is broken",
            "a checkpoint that was cut short", "a checkpoint set aside", "a history behind a durable checkpoint but for its flush",
            "records behind those that were written", "evaluations ahead of the history", "full at the end"])
            Assert.True(seen.GetValueOrDefault(what) > 0,
                $"{what}: never; there were {string.Join(", ", seen.Select(s => $"{s.Value} × {s.Key}"))}");
    }

    private static Manifest Checkpoint(Rounds rounds, long round) =>
        SavedCheckpoint.Example with { Round = round, Step = rounds.StepsBefore(round) };

    private static byte[] StateAfter(long round) => Safetensors.ToBytes(
        [new("model.w", "I64", [1], BitConverter.GetBytes(round)), new("optimizer.n", "I64", [1], BitConverter.GetBytes(round))]);

    /// <summary>A coordinator that records rounds; a counter stands for its workers.</summary>
    private sealed class Run
    {
        private readonly Rounds _rounds;
        private readonly Random _random;
        private RunJournal _journal = null!;
        private CheckpointStore _store = null!;

        // The recorded rounds, those that must survive a power cut, and those that must survive the process.
        private long _done, _safe, _written;

        // A flush has failed: what another process reads may never reach the disk.
        private bool _isDoubtful;

        public Run(Rounds rounds, int seed)
        {
            (_rounds, _random) = (rounds, new(seed));
            Disk = new(_random);
            Disk.CreateFolder(Folder);
            Disk.FlushFolder("/");
            Start();
        }

        public SimulatedDisk Disk { get; }

        public void Act()
        {
            Disk.IsBroken = _random.Next(12) == 0;
            Disk.Capacity = _random.Next(8) == 0 ? Disk.Used + _random.Next(400) : null;
            switch (_random.Next(14))
            {
                case < 7:
                    Record();
                    break;
                case 7 or 8:
                    // Lines that are added during a flush must not throw.
                    _journal.Flush();
                    if (!Disk.IsBroken && Disk.Capacity is null) _written = _done;
                    break;
                case 9:
                    if (_isDoubtful = !Try(_journal.FlushToDisk)) break;
                    _safe = _written = _done;
                    break;
                case 10 or 11:
                    Save();
                    break;
                case 12:
                    if (_isDoubtful || _random.Next(2) == 0) Cut();
                    Start();
                    break;
                case 13 when _random.Next(4) == 0:
                    Disk.Damage($"{Folder}/{(_random.Next(2) == 0 ? "history.csv" : "evaluations.csv")}");
                    Cut();
                    (_safe, _written) = (0, 0);
                    Start();
                    break;
            }
        }

        public void Finish()
        {
            Disk.Capacity = Disk.Used;
            while (_done < _rounds.Count) Record();
            if (!Try(_journal.FlushToDisk)) Disk.Note("full at the end");
            (Disk.Capacity, Disk.IsBroken) = (null, false);
            _journal.FlushToDisk();
            Cut();
            Start();
            Assert.Equal(_rounds.Count, _done);
        }

        private void Cut()
        {
            Disk.CutPower();
            (_written, _isDoubtful) = (_safe, false);
        }

        private void Record()
        {
            if (_done == _rounds.Count) return;
            var round = _rounds.At(_done++);
            if (round.Kind == RoundKind.Train) _journal.Add(Step(round));
            else _journal.Add(Evaluation(round));
        }

        private void Save()
        {
            if (_done == 0) return;
            var applied = _done - _random.Next((int)Math.Min(3, _done));
            if (_random.Next(10) == 0)
            {
                // The process is killed, or loses power, at a random call.
                var left = _random.Next(25);
                Disk.OnCall = (_, _) =>
                {
                    if (left-- <= 0) throw new OperationCanceledException();
                };
            }
            var isCut = false;
            try
            {
                _store.Save(new(_rounds.StepsBefore(applied), applied, 1, new(0, (ulong)applied), null), StateAfter(applied), FlushRecords);
            }
            catch (IOException)
            {
                _isDoubtful = true;
                Disk.Note(Disk.IsBroken ? "a checkpoint while the disk is broken" : "a checkpoint while the disk is full");
            }
            catch (OperationCanceledException)
            {
                isCut = true;
            }
            Disk.OnCall = (_, _) => { };
            if (!isCut) return;
            Disk.Note("a checkpoint that was cut short");
            if (_isDoubtful || _random.Next(2) == 0) Cut();
            Start();
        }

        private void FlushRecords()
        {
            if (Disk.Capacity is null && !Disk.IsBroken && _written < _done)
                Disk.Note("a history behind a durable checkpoint but for its flush");
            _journal.FlushToDisk();
            (_safe, _written, _isDoubtful) = (_done, _done, false);
        }

        /// <summary>Another coordinator resumes the run.</summary>
        private void Start()
        {
            (Disk.IsBroken, Disk.Capacity) = (false, null);
            var isWhole = !Disk.Seen.ContainsKey("a page of zeros in a file that was flushed");
            _store = new(Checkpoints, keep: 2, "task: classification\n", TimeProvider.System, Disk);
            var found = ResumePoint.Find(Disk, Folder, Metric.Accuracy, _rounds, _store);
            Assert.InRange(found.Rounds, Math.Max(_safe, _written), _done);
            if (found.Rounds < _done) Disk.Note("records behind those that were written");
            foreach (var dropped in found.Dropped)
                if (dropped.StartsWith("evaluations.csv", StringComparison.Ordinal)
                    && dropped.EndsWith("history.csv does not reach so far", StringComparison.Ordinal))
                    Disk.Note("evaluations ahead of the history");
            // Only a broken device can take records from under a checkpoint.
            if (isWhole) Assert.Empty(found.SetAside);
            foreach (var _ in found.SetAside) Disk.Note("a checkpoint set aside");
            Assert.Equal(found.Checkpoint, _store.Newest);
            if (_store.Newest is { } newest)
            {
                Assert.InRange(newest.Round, 1, found.Rounds);
                Assert.Equal(StateAfter(newest.Round), _store.Load(newest));
            }
            _done = found.Rounds;
            _safe = Math.Min(_safe, _done);
            _written = _done;
            _journal = new(Disk, Folder, Metric.Accuracy);
            var number = 0L;
            var (steps, evaluations) = (new List<HistoryRow>(), new List<EpochResult>());
            _journal.Recall(found, steps.Add, evaluations.Add, _ => { });
            for (; number < _done; number++)
            {
                var round = _rounds.At(number);
                if (round.Kind == RoundKind.Train) Assert.Equal(Step(round), steps[(int)round.Step]);
                else Assert.Equal(Evaluation(round), evaluations[round.Epoch]);
            }
            Assert.Equal(_done, steps.Count + evaluations.Count);
        }

        private static HistoryRow Step(Round round) => new()
        {
            Step = round.Step + 1,
            Epoch = round.Epoch + 1,
            Loss = 1.0 / (round.Step + 1),
            LearningRate = 0.1,
            GradientNorm = round.Step % 7 == 0 ? double.NaN : Math.Sqrt(round.Step),
            SamplesPerSecond = 1e9 / 7,
        };

        private static EpochResult Evaluation(Round round) => new()
        {
            Epoch = round.Epoch + 1,
            Step = round.Step,
            TestLoss = 1.0 / (round.Epoch + 1),
            TestMetric = new(Metric.Accuracy, 0.1 * round.Epoch),
        };

        private static bool Try(Action write)
        {
            try
            {
                write();
                return true;
            }
            catch (IOException)
            {
                return false;
            }
        }
    }
}
