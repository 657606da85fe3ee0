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
/// One copy of the training state (parameters, buffers and optimizer state), with the two moves that read and change it. All replicas of a
/// job go through the same states. Belongs to one thread.
/// </summary>
internal sealed class Replica : IDisposable
{
    private const string ModelPrefix = "model.";
    private const string OptimizerPrefix = "optimizer.";
    private const string StepCount = OptimizerPrefix + "step_count";
    private readonly XxHash128 _hash = new();
    private readonly FlatModel _model;
    private readonly IVectorOptimizer _optimizer;

    /// <summary>Builds the initial state, which depends only on the job and the data.</summary>
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

    public VectorPool CreatePool() => new(Map.Layout, layout => new TorchMemory(_model, layout));

    public StateDigest Digest()
    {
        _hash.Reset();
        HostMemory.Append(_hash, _model.Parameters);
        HostMemory.Append(_hash, _model.Buffers);
        return StateDigest.Of(_hash.GetCurrentHashAsUInt128());
    }

    /// <summary>Bytes of the serialized state; they depend only on the job.</summary>
    public long StateBytes { get; }

    public byte[] Serialize()
    {
        var state = GC.AllocateUninitializedArray<byte>(checked((int)StateBytes));
        using var stream = new MemoryStream(state);
        Safetensors.Write(stream, [.. Tensors()]);
        return state;
    }

    public IReadOnlyList<TensorLayout> Layout => _model.Layout;

    public void Overwrite(IEnumerable<(TensorLayout Layout, float[] Values)> tensors)
    {
        foreach (var (layout, values) in tensors) Import(layout, values);
        _model.RestoreBuffers();
    }

    /// <summary>Replaces the state. A rejected one changes nothing.</summary>
    /// <exception cref="InvalidDataException">It does not belong to a replica of this job.</exception>
    public void Restore(ReadOnlyMemory<byte> state)
    {
        var received = Safetensors.Read(state).Tensors.ToDictionary(t => t.Name, StringComparer.Ordinal);
        Validate(received);
        foreach (var layout in _model.Layout)
        {
            var bytes = received[ModelPrefix + layout.Name].Data.Span;
            if (layout.Kind == TensorKind.IntegerBuffer) Import(layout, ToFloats(MemoryMarshal.Cast<byte, long>(bytes)));
            else Import(layout, MemoryMarshal.Cast<byte, float>(bytes));
        }
        _model.RestoreBuffers();
        foreach (var (name, slot) in _optimizer.State)
            HostMemory.Import(MemoryMarshal.Cast<byte, float>(received[OptimizerPrefix + name].Data.Span), slot);
        _optimizer.StepCount = MemoryMarshal.Read<long>(received[StepCount].Data.Span);
    }

    public void Dispose()
    {
        Map.Dispose();
        Apply.Dispose();
        _optimizer.Dispose();
        _model.Dispose();
    }

    private void Validate(Dictionary<string, TensorData> received)
    {
        var unused = received.Keys.ToHashSet(StringComparer.Ordinal);
        foreach (var (name, dtype, shape, _) in Tensors())
        {
            if (!unused.Remove(name) || received[name].DType != dtype || !received[name].Shape.SequenceEqual(shape))
                throw new InvalidDataException($"the state received does not have {name} of {dtype}[{string.Join(",", shape)}]");
        }
        if (unused.Count > 0)
            throw new InvalidDataException($"the state received has {unused.Min(StringComparer.Ordinal)}, which this job does not have");
        const long Largest = FlatModel.LargestExactInteger;
        foreach (var layout in _model.Layout.Where(l => l.Kind == TensorKind.IntegerBuffer))
            foreach (var number in MemoryMarshal.Cast<byte, long>(received[ModelPrefix + layout.Name].Data.Span))
                if (number is < -Largest or > Largest)
                    throw new InvalidDataException(
                        $"the state received has {number} in {ModelPrefix}{layout.Name}; at most {Largest} is allowed");
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
            var values = isInteger ? ToIntegers(floats.Span) : floats;
            yield return new(ModelPrefix + layout.Name, isInteger ? "I64" : "F32", [.. layout.Shape], values);
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

    /// <summary>On the CPU the tensor's own memory, valid until this replica changes it; from another device a copy.</summary>
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

    /// <summary>Memory of a tensor; the tensor must outlive it.</summary>
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
