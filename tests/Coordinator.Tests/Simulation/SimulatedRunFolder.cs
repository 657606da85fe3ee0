using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Tests.Storage;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Scores;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>
/// The folder of a simulated run, which outlives its coordinators, and what it must hold after each of them ends. One coordinator at a time
/// owns it: the product's lock ends with the process that holds it. A former coordinator therefore goes on only where its machine has lost
/// the volume, and its writes have no effect.
/// </summary>
internal sealed class SimulatedRunFolder
{
    public const string Root = "/run";
    public const string StateFile = Root + "/" + RunFolder.StateName;
    public const string ModelFile = Root + "/" + RunFiles.Model;
    public const string ReportFile = Root + "/" + RunFiles.Report;
    public const string Checkpoints = Root + "/" + RunFiles.Checkpoints;

    private readonly Random _random;
    private readonly Census _census;

    // The least that the files must hold: after a power cut, and after the end of the process alone.
    private long _safe, _written, _stored;
    private int _generation;

    // Without the sizes of the data in the run state, no coordinator can read the records.
    private bool _hasFacts;

    // A flush has failed: bytes that another process can read may never reach the disk.
    private bool _isDoubtful;

    // A device has destroyed what it had confirmed.
    private bool _areRecordsDamaged, _areCheckpointsDamaged;

    public SimulatedRunFolder(Random random, Census census)
    {
        (_random, _census) = (random, census);
        Disk = new(random);
        Disk.CreateFolder(Root);
        Disk.FlushFolder("/");
    }

    /// <summary>The disk of the coordinator that has the folder.</summary>
    public SimulatedDisk Disk { get; private set; }

    /// <summary>Whether the run needs no further coordinator.</summary>
    public bool IsFinished => Disk.FileExists(ReportFile);

    /// <summary>Whether writes fail now.</summary>
    public bool IsFaulty => Disk.IsBroken || Disk.Capacity is not null;

    /// <summary>Another process can read so many rounds.</summary>
    public void Written(long rounds)
    {
        if (_hasFacts) _written = Math.Max(_written, rounds);
    }

    /// <summary>So many rounds survive a power cut.</summary>
    public void Flushed(long rounds) => (_safe, _isDoubtful) = (Math.Max(_safe, rounds), false);

    /// <summary>A flush has failed.</summary>
    public void FlushFailed() => _isDoubtful = true;

    /// <summary>The state of the run is on the disk.</summary>
    public void Saved(ClusterProtocol cluster) => (_generation, _hasFacts) = (cluster.Generation, _hasFacts || cluster.Facts is not null);

    /// <summary>A checkpoint is on the disk, and with it the rounds that it has applied.</summary>
    public void Stored(long rounds) => (_stored, _safe) = (Math.Max(_stored, rounds), Math.Max(_safe, rounds));

    /// <summary>A checkpoint could not be read: the coordinator goes on as if it were not there, and another may take its place.</summary>
    /// <param name="newest">Rounds of the newest one that is left.</param>
    public void Forgotten(long newest) => _stored = Math.Min(_stored, newest);

    /// <summary>Writes fail from now on, since the disk is full or broken.</summary>
    public void Fail()
    {
        if (_random.Next(2) == 0)
        {
            Disk.IsBroken = true;
            _census.Count("disk broken");
        }
        else
        {
            Disk.Capacity = Disk.Used + _random.Next(_random.Next(2) == 0 ? 50 : 400);
            _census.Count("disk full");
        }
    }

    /// <summary>Writes succeed again.</summary>
    public void Mend() => (Disk.IsBroken, Disk.Capacity) = (false, null);

    /// <summary>The coordinator's process is killed at one of its next calls that change something on the disk.</summary>
    public void KillAtCall()
    {
        var left = _random.Next(40);
        Disk.OnCall = (_, _) =>
        {
            if (left-- <= 0) throw new OperationCanceledException("the process is killed");
        };
    }

    /// <summary>Zeros in a file that was flushed.</summary>
    public void Damage()
    {
        Disk.Damage(Root + "/" + (_random.Next(2) == 0 ? RunFiles.History : RunFiles.Evaluations));
        _areRecordsDamaged = true;
    }

    /// <summary>The newest checkpoint cannot be read any more.</summary>
    public void DamageCheckpoint(Manifest newest)
    {
        var name = _random.Next(2) == 0 ? Manifest.ModelName : Manifest.OptimizerName;
        Disk.Damage($"{CheckpointStore.FolderOf(Checkpoints, newest.Step)}/{name}");
        _areCheckpointsDamaged = true;
    }

    /// <summary>The coordinator's process has ended; the operating system keeps what it had received.</summary>
    public void EndProcess()
    {
        (Disk.OnCall, Disk.IsUnreadable) = ((_, _) => { }, false);
        // A flush that failed, an end right after it and a power cut later are not covered, see docs/durability.md.
        if (_isDoubtful) CutPower();
        Mend();
    }

    /// <summary>The coordinator's machine loses power: only a random part of what was not flushed remains.</summary>
    public void CutPower()
    {
        Disk.CutPower();
        (_written, _isDoubtful) = (0, false);
    }

    /// <summary>The volume moves to another machine; writes of the former coordinator fail from now on.</summary>
    public void MoveAway()
    {
        Disk = Disk.MoveAway();
        (_written, _isDoubtful) = (0, false);
    }

    /// <summary>Another coordinator continues from the folder.</summary>
    /// <param name="found">Where it continues.</param>
    /// <param name="begun">The state that it has read.</param>
    /// <param name="recorded">Rounds that the former coordinator had recorded.</param>
    public void TakenUp(ResumePoint found, RunState begun, long recorded)
    {
        var least = _areRecordsDamaged ? 0 : Math.Max(_safe, _written);
        Assert.True(found.Rounds >= least && found.Rounds <= recorded,
            $"{found.Rounds} rounds are found; {least} to {recorded} were recorded, {_safe} of them durably; "
            + $"dropped: {string.Join("; ", found.Dropped)}");
        Assert.True(begun.Generation >= _generation, $"generation {begun.Generation} is found, {_generation} was written");
        foreach (var _ in found.SetAside) _census.Count("checkpoint set aside");
        if (found.Rounds < recorded) _census.Count("recorded rounds lost with the coordinator");
        if (!_areRecordsDamaged) Assert.Empty(found.SetAside);
        var checkpoint = found.Checkpoint?.Round;
        if (!_areRecordsDamaged && !_areCheckpointsDamaged)
            Assert.True((checkpoint ?? 0) >= _stored, $"the checkpoint of {checkpoint} rounds is found, {_stored} was stored");
        (_safe, _written, _stored, _areRecordsDamaged, _isDoubtful) = (found.Rounds, found.Rounds, checkpoint ?? 0, false, false);
    }

    /// <summary>After the end, the folder holds every round once, in order, and the result.</summary>
    public void CheckFinished(Rounds rounds, Metric metric, long result)
    {
        Assert.True(IsFinished, "the report is missing");
        Assert.Equal(result, ReadModel());
        var records = new RecordedLines(Disk, Root);
        Check(RunFiles.History, rounds.Steps, records.History(rounds.StepsPerEpoch));
        if (rounds.TestSamples > 0) Check(RunFiles.Evaluations, rounds.Epochs, records.Evaluations(metric, rounds.StepsPerEpoch));
    }

    /// <summary>The result that was written.</summary>
    public long ReadModel() => SimulatedState.Of(ReadAll(ModelFile));

    private void Check(string name, long lines, (FoundLines Found, long Bytes) recorded)
    {
        Assert.Equal(new FoundLines(lines), recorded.Found);
        Assert.Equal(recorded.Bytes, ReadAll($"{Root}/{name}").Length);
    }

    private byte[] ReadAll(string path)
    {
        using var file = Disk.OpenRead(path);
        var bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        return bytes;
    }
}
