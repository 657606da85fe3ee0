namespace Distributed.Worker.Training;

/// <summary>Which flat vector a tensor of a module lies in, and how.</summary>
internal enum TensorKind
{
    /// <summary>A trainable parameter, in <see cref="FlatModel.Parameters"/>; its gradient lies at the same place in <see cref="FlatContribution.Gradient"/>.</summary>
    Parameter,

    /// <summary>A floating-point buffer or a frozen parameter, in <see cref="FlatModel.Buffers"/>.</summary>
    Buffer,

    /// <summary>A buffer of whole numbers, held as floats at the end of <see cref="FlatModel.Buffers"/>.</summary>
    IntegerBuffer,
}

/// <summary>Where one tensor of a module lies.</summary>
/// <param name="Name">Its name in the state_dict, as <c>conv1.weight</c>.</param>
/// <param name="Shape">Its sizes; none for a scalar.</param>
/// <param name="Kind">Which vector it lies in.</param>
/// <param name="Offset">Its first element in that vector.</param>
/// <param name="Length">Its elements: the product of <paramref name="Shape"/>.</param>
internal sealed record TensorLayout(string Name, IReadOnlyList<long> Shape, TensorKind Kind, long Offset, long Length);
