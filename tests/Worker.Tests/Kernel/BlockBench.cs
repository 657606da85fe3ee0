using Distributed.Core.Planning;
using Distributed.Transport.Buffers;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Kernel;

/// <param name="Bytes">The content of the slice when it was announced.</param>
/// <param name="IsEarly">Whether the input layer, where backward ends, had no gradient yet.</param>
internal sealed record Announced(int Slice, byte[] Bytes, bool IsEarly);

/// <summary>The map of a <see cref="BlockModel"/> and its announcements.</summary>
internal sealed class BlockBench : ITrainingTask, IDisposable
{
    private const int Inputs = 5;

    private readonly Tensor _samples;
    private readonly Tensor _targets;
    private readonly FlatModel _model;
    private readonly VectorPool _pool;
    private VectorBuffer _contribution = null!;

    public BlockBench(int width, long seed, params BlockKind[] kinds)
    {
        manual_seed(seed);
        Module = new(Inputs, width, kinds);
        _samples = randn(64, Inputs).Add(0.1);
        _targets = randn(64, width);
        _model = new(Module, CPU);
        Map = new(_model, this, seed, CPU);
        _pool = new(Map.Layout, layout => new TorchMemory(_model, layout));
    }

    public BlockModel Module { get; }

    public Map Map { get; }

    public List<Announced> Announced { get; } = [];

    /// <summary>Thrown by <see cref="Ready"/> if not null.</summary>
    public Exception? Refusal { get; set; }

    public IReadOnlyList<TensorLayout> Parameters => [.. _model.Layout.Where(l => l.Kind is TensorKind.Parameter)];

    int ITrainingTask.TrainSamples => 64;

    int ITrainingTask.TestSamples => 8;

    string ITrainingTask.DataFingerprint => "";

    int ITrainingTask.Metrics => 1;

    /// <summary>Computes one of four micro-batches of 16 samples and returns the bytes of its contribution.</summary>
    public byte[] Compute(int step, bool isAnnounced = true, RoundKind kind = RoundKind.Train, int samples = 64)
    {
        set_num_threads(1);
        var round = new Round(step, kind, 0, step, 0, kind is RoundKind.Train ? samples : 8, kind is RoundKind.Train ? 4 : 1);
        _contribution = _pool.Rent();
        _contribution.GetSpan().Fill(0x5a);
        Announced.Clear();
        try
        {
            Map.Compute(round, kind is RoundKind.Train ? step % 4 : 0, _contribution, isAnnounced ? Ready : null);
            return _contribution.GetSpan().ToArray();
        }
        finally
        {
            _contribution.Release();
        }
    }

    public void Run(int step, Action<int>? announce)
    {
        var contribution = _pool.Rent();
        Map.Compute(new(step, RoundKind.Train, 0, step, 0, 64, 4), step % 4, contribution, announce);
        contribution.Release();
    }

    public SampleBatch Fetch(RoundKind split, int epoch, ReadOnlySpan<int> samples, Device device)
    {
        using var chosen = tensor(samples.ToArray(), int64);
        return new(_samples.index_select(0, chosen), _targets.index_select(0, chosen));
    }

    public Tensor LossSum(nn.Module model, SampleBatch batch, Span<double> metrics)
    {
        metrics[0] = batch.Inputs.shape[0];
        using var output = model.Call(batch.Inputs);
        return nn.functional.mse_loss(output, batch.Targets, nn.Reduction.Sum);
    }

    private void Ready(int slice)
    {
        if (Refusal is not null) throw Refusal;
        var input = Parameters.Single(p => p.Name == $"{BlockModel.Input}.bias");
        var isEarly = !_contribution.Floats.Slice((int)input.Offset, (int)input.Length).ContainsAnyExcept(0f);
        Announced.Add(new(slice, _contribution.SliceMemory(slice).ToArray(), isEarly));
    }

    public void Dispose()
    {
        Map.Dispose();
        _model.Dispose();
        _pool.Dispose();
        _samples.Dispose();
        _targets.Dispose();
    }
}
