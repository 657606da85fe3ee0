using Distributed.Coordinator.Storage;

namespace Distributed.Coordinator.Runs;

// The curves of a run for TensorBoard, with one folder for training and one for evaluations, so that curves of the same name share a
// chart. Training goes on while the disk is full; the points of that time are missing.
// complain: Receives a message when writing begins to fail, and when it works again.
internal sealed class TensorBoardFolder(string root, TimeProvider time, Action<string> complain) : IRunObserver, IDisposable
{
    private const string Train = "train", Test = "test";

    private static readonly TimeSpan _pause = TimeSpan.FromSeconds(10); // Between two attempts after a failure.

    private EventFile? _train;
    private EventFile? _test;
    private long _from = 1;
    private long _failedAt;
    private bool _isFailed, _isEnded;

    public static void Clear(string root)
    {
        foreach (var folder in (string[])[Path.Combine(root, Train), Path.Combine(root, Test)])
        {
            if (!Directory.Exists(folder)) continue;
            foreach (var file in Directory.EnumerateFiles(folder, EventFile.NamePrefix + "*")) File.Delete(file);
        }
    }

    public void Recalled(HistoryRow step) => _from = step.Step + 1;

    public void Stepped(HistoryRow step) => Try(() => (_train ??= Begin(Train, step.Step)).Add(step.Step,
        ("loss", step.Loss), ("learning_rate", step.LearningRate), ("gradient_norm", step.GradientNorm),
        ("samples_per_second", step.SamplesPerSecond), ("epoch", step.Epoch)));

    public void Evaluated(EpochResult evaluation) => Try(() => (_test ??= Begin(Test, evaluation.Step)).Add(evaluation.Step,
        ("loss", evaluation.TestLoss), (evaluation.TestMetric.Metric.Name, evaluation.TestMetric.Value)));

    public void Progressed(TrainingProgress progress) => Try(Flush);

    public void Dispose()
    {
        if (_isEnded) return;
        Try(() =>
        {
            _train?.Dispose();
            _test?.Dispose();
        });
        _isEnded = true;
    }

    private EventFile Begin(string part, long step) => new(Path.Combine(root, part), _isFailed ? step : _from, time);

    private void Try(Action write)
    {
        if (_isEnded || (_isFailed && time.GetElapsedTime(_failedAt) < _pause)) return;
        try
        {
            write();
            if (!_isFailed) return;
            // Buffers may hide that the disk is still full.
            Flush();
            if (_train is null && _test is null) return;
            _isFailed = false;
            complain($"the files for TensorBoard in {root} are written again");
        }
        catch (Exception error) when (StorageError.Is(error))
        {
            _train?.Abandon();
            _test?.Abandon();
            (_train, _test, _failedAt) = (null, null, time.GetTimestamp());
            if (!_isFailed)
                complain($"the files for TensorBoard in {root} cannot be written: {error.Message.TrimEnd('.')}. "
                    + "Training continues; steps until they can be written are missing there");
            _isFailed = true;
        }
    }

    private void Flush()
    {
        _train?.Flush();
        _test?.Flush();
    }
}
