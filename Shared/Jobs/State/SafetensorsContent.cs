using System.Collections.Immutable;

namespace Distributed.Jobs.State;

/// <summary>One named tensor: row-major, little-endian elements.</summary>
/// <param name="Name">Unique in its file; not <c>__metadata__</c>.</param>
/// <param name="DType">A key of <see cref="Safetensors.ElementSizes"/>, such as <c>F32</c> or <c>I64</c>.</param>
/// <param name="Shape">Sizes, outermost first; none of them negative; empty for a scalar.</param>
/// <param name="Data">Product of <paramref name="Shape"/> × element size bytes.</param>
internal sealed record TensorData(string Name, string DType, ImmutableArray<long> Shape, ReadOnlyMemory<byte> Data);

/// <param name="Tensors">In the order of their data in the file.</param>
/// <param name="Metadata">Free text by key; empty when the file has none.</param>
internal sealed record SafetensorsContent(ImmutableArray<TensorData> Tensors, ImmutableSortedDictionary<string, string> Metadata);
