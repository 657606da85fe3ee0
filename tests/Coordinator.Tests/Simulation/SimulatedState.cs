using System.Buffers.Binary;
using Distributed.Jobs.State;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>The state of a simulated replica as the file that a real one makes of it.</summary>
internal static class SimulatedState
{
    public static byte[] ToBytes(long applied, long state) =>
        Safetensors.ToBytes([Tensor("model.w", state), Tensor("optimizer.n", applied)]);

    /// <summary>The state in a file.</summary>
    public static long Of(byte[] file) => BinaryPrimitives.ReadInt64LittleEndian(
        Safetensors.Read(file).Tensors.Single(tensor => tensor.Name == "model.w").Data.Span);

    private static TensorData Tensor(string name, long value)
    {
        var bytes = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return new(name, "I64", [1], bytes);
    }
}
