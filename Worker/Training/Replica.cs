using System.Buffers;
using System.IO.Hashing;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Jobs;
using Distributed.Jobs.State;
using Distributed.Transport.Buffers;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Plugins;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// One copy of what is trained: parameters, buffers and optimizer state, with the two moves that read and change it. All
/// replicas of a job go through the same states. Belongs to one thread.
/// </summary>
internal sealed class Replica : IDisposable
{
    private const string ModelPrefix = "model.";
    private const string OptimizerPrefix = "optimizer.";
    private const string StepCount = OptimizerPrefix + "step_count";

    private readonly XxHash128 _hash = new();
    private readonly FlatModel _model;
    private readonly IVectorOptimizer _optimizer;

    /// <summary>Builds the replica of a job in its initial state, which depends on the job and the data alone.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="plugins">Libraries of models and tasks; null for none.</param>
    public Replica(Job job, DataSet data, Device device, PluginSet? plugins = null)
    {
        Task = JobModels.CreateTask(job, data, plugins);
        Rounds = job.ToShape().RoundsOf(Task.TrainSamples, Task.TestSamples);
        _model = new(JobModels.CreateModel(job, data.Train.Format, plugins), device);
        _optimizer = JobModels.CreateOptimizer(job, _model.Parameters);
        Map = new(_model, Task, job.Seed, device, _optimizer as ISearchOptimizer);
        Apply = new(_model, _optimizer, job, Rounds);
        using var meter = new Meter();
        Safetensors.Write(meter, [.. Tensors()]);
        StateBytes = meter.Bytes;
    }

    public ITrainingTask Task { get; }

    public Rounds Rounds { get; }

    public Map Map { get; }

    public Apply Apply { get; }

    /// <summary>A pool for this replica's contributions, and for the averages that it applies.</summary>
    public VectorPool CreatePool() => new(Map.Layout, layout => new TorchMemory(_model, layout));

    /// <summary>Digest of the parameters and buffers: equal on equal replicas.</summary>
    public StateDigest Digest()
    {
        _hash.Reset();
        HostMemory.Append(_hash, _model.Parameters);
        HostMemory.Append(_hash, _model.Buffers);
        return StateDigest.Of(_hash.GetCurrentHashAsUInt128());
    }

    /// <summary>Bytes of the serialized state; they depend on the job alone.</summary>
    public long StateBytes { get; }

    /// <summary>The whole state as a safetensors file, <see cref="StateBytes"/> long: what a newcomer, a checkpoint and the result are made from.</summary>
    public byte[] Serialize()
    {
        var state = GC.AllocateUninitializedArray<byte>(checked((int)StateBytes));
        using var stream = new MemoryStream(state);
        Safetensors.Write(stream, [.. Tensors()]);
        return state;
    }

    /// <summary>The model's tensors, in the order of PyTorch's state_dict.</summary>
    public IReadOnlyList<TensorLayout> Layout => _model.Layout;

    /// <param name="tensors">Where each lies, and its values; whole numbers as such.</param>
    public void Overwrite(IEnumerable<(TensorLayout Layout, float[] Values)> tensors)
    {
        foreach (var (layout, values) in tensors) Import(layout, values);
        _model.RestoreBuffers();
    }

    /// <summary>Takes over a state. One that is refused has changed nothing.</summary>
    /// <exception cref="SafetensorsException">It is no safetensors file.</exception>
    /// <exception cref="InvalidDataException">It is none of a replica of this job.</exception>
    public void Restore(ReadOnlyMemory<byte> state)
    {
        var received = Safetensors.Read(state).Tensors.ToDictionary(t => t.Name, StringComparer.Ordinal);
        Require(received);

        foreach (var layout in _model.Layout)
        {
            var bytes = received[ModelPrefix + layout.Name].Data.Span;
            Import(layout, layout.Kind == TensorKind.IntegerBuffer ? ToFloats(MemoryMarshal.Cast<byte, long>(bytes)) : MemoryMarshal.Cast<byte, float>(bytes));
        }
        _model.RestoreBuffers();
        foreach (var (name, slot) in _optimizer.State) HostMemory.Import(MemoryMarshal.Cast<byte, float>(received[OptimizerPrefix + name].Data.Span), slot);
        _optimizer.StepCount = MemoryMarshal.Read<long>(received[StepCount].Data.Span);
    }

    public void Dispose()
    {
        Map.Dispose();
        Apply.Dispose();
        _optimizer.Dispose();
        _model.Dispose();
    }

    private void Require(Dictionary<string, TensorData> received)
    {
        var strangers = received.Keys.ToHashSet(StringComparer.Ordinal);
        foreach (var (name, dtype, shape, _) in Tensors())
        {
            if (!strangers.Remove(name) || received[name].DType != dtype || !received[name].Shape.SequenceEqual(shape))
                throw new InvalidDataException($"the state received does not have {name} of {dtype}[{string.Join(",", shape)}]");
        }
        if (strangers.Count > 0)
            throw new InvalidDataException($"the state received has {strangers.Min(StringComparer.Ordinal)}, which the replicas of this job do not have");

        foreach (var layout in _model.Layout.Where(l => l.Kind == TensorKind.IntegerBuffer))
            foreach (var number in MemoryMarshal.Cast<byte, long>(received[ModelPrefix + layout.Name].Data.Span))
                if (number is < -FlatModel.LargestExactInteger or > FlatModel.LargestExactInteger)
                    throw new InvalidDataException($"the state received has {number} in {ModelPrefix}{layout.Name}; at most {FlatModel.LargestExactInteger} is allowed");
        if (MemoryMarshal.Read<long>(received[StepCount].Data.Span) is var steps and < 0)
            throw new InvalidDataException($"the state received has {steps} steps; allowed: 0 or more");
    }

    private IEnumerable<TensorData> Tensors()
    {
        foreach (var layout in _model.Layout)
        {
            var isInteger = layout.Kind == TensorKind.IntegerBuffer;
            using var part = VectorOf(layout).narrow(0, layout.Offset, layout.Length);
            var floats = Floats(part);
            yield return new(ModelPrefix + layout.Name, isInteger ? "I64" : "F32", [.. layout.Shape], isInteger ? ToIntegers(floats.Span) : floats);
        }
        foreach (var (name, slot) in _optimizer.State) yield return new(OptimizerPrefix + name, "F32", [slot.numel()], Floats(slot));
        yield return new(StepCount, "I64", [], BitConverter.GetBytes(_optimizer.StepCount));
    }

    private void Import(TensorLayout layout, ReadOnlySpan<float> values)
    {
        using var destination = VectorOf(layout).narrow(0, layout.Offset, layout.Length);
        HostMemory.Import(values, destination);
    }

    private Tensor VectorOf(TensorLayout layout) => layout.Kind == TensorKind.Parameter ? _model.Parameters : _model.Buffers;

    /// <summary>On the CPU the numbers themselves, as they are while this replica does nothing else; from another device a copy.</summary>
    private ReadOnlyMemory<byte> Floats(Tensor tensor)
    {
        if (tensor.numel() == 0) return default;
        if (_model.IsOnCpu) return new NativeBytes(tensor.bytes).Memory;
        var bytes = new byte[tensor.numel() * sizeof(float)];
        HostMemory.Export(tensor, MemoryMarshal.Cast<byte, float>(bytes.AsSpan()));
        return bytes;
    }

    private static byte[] ToIntegers(ReadOnlySpan<byte> floats)
    {
        long[] integers = [.. MemoryMarshal.Cast<byte, float>(floats).ToArray().Select(f => (long)f)];
        return MemoryMarshal.AsBytes(integers.AsSpan()).ToArray();
    }

    private static float[] ToFloats(ReadOnlySpan<long> integers) => [.. integers.ToArray().Select(i => (float)i)];

    private sealed class Meter : MemoryStream
    {
        public long Bytes { get; private set; }

        public override void Write(ReadOnlySpan<byte> buffer) => Bytes += buffer.Length;
    }

    /// <summary>Memory of a tensor, which must outlive it.</summary>
    private sealed unsafe class NativeBytes(Span<byte> bytes) : MemoryManager<byte>
    {
        private readonly byte* _start = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(bytes));
        private readonly int _length = bytes.Length;

        public override Span<byte> GetSpan() => new(_start, _length);

        public override MemoryHandle Pin(int elementIndex = 0) => new(_start + elementIndex);

        public override void Unpin() { }

        protected override void Dispose(bool disposing) { }
    }
}
