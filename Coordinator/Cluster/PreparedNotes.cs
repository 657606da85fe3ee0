using Distributed.Coordinator.Runs;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;
using Distributed.Jobs;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Cluster;

/// <summary>Reports and writes once what every worker says when it is prepared. Used by one thread at a time.</summary>
internal sealed class PreparedNotes(RunRecorder recorder, Func<DataDescription, string?>? describe)
{
    private readonly RetryPause _pause = new();
    private DataDescription? _unwritten;
    private bool _isInitialTold, _isDescribed, _isNoted;

    public void TellInitial(string initial)
    {
        if (_isInitialTold || initial.Length is 0 or > Prepared.MaxInitial) return;
        _isInitialTold = true;
        recorder.Happened(RunEventKind.Note, initial);
    }

    public void Tell(string note)
    {
        if (_isNoted) return;
        _isNoted = true;
        recorder.Happened(RunEventKind.Note, note);
    }

    public void Retry()
    {
        if (_unwritten is not { } data || !_pause.IsOver) return;
        _pause.Begin();
        if (describe?.Invoke(data) is not null) return;
        _unwritten = null;
        recorder.Happened(RunEventKind.Note, "the description of the data is written now");
    }

    public void Describe(Prepared prepared, WorkerFacts? facts)
    {
        if (_isDescribed || prepared.Data.Length == 0 || facts?.DataFingerprint != prepared.DataFingerprint) return;
        try
        {
            var data = DataDescription.Parse(prepared.Data);
            _isDescribed = true;
            foreach (var note in data.Notes) recorder.Happened(RunEventKind.Note, Shown.InFull(note));
            if (describe?.Invoke(data) is not { } error) return;
            _unwritten = data;
            _pause.Begin();
            recorder.Happened(RunEventKind.Fault, $"the description of the data could not be written: {error}");
        }
        catch (FormatException error)
        {
            recorder.Happened(RunEventKind.Fault, $"a worker sent a malformed description of the data: {error.Message}");
        }
    }
}
